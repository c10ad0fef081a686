/**
 * Image names, read as containerd and every other user of the distribution grammar reads them, and the index that tells
 * which image of the node a text means. https://github.com/distribution/reference/blob/main/normalize.go
 */

/** A name in full: `busybox` is domain `docker.io`, path `library/busybox`, no tag. `:latest` is never implied here. */
export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  /** `sha256:` and 64 hex digits, or another algorithm of the grammar. */
  readonly digest?: string;
}

/** What every use of an image record needs of it here. */
export interface NamedImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
}

/** One of the names that the runtime lists for an image. `repository` is `domain/path` in full. */
export interface ImageName {
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;
const FULL_ID = /^(?:sha256:)?[a-f0-9]{64}$/;
const ID_PREFIX = /^(?:sha256:)?[a-f0-9]{1,63}$/;
/** The grammar's own limit for domain and path together. */
const MAX_NAME_LENGTH = 255;
const MAX_REFERENCE_LENGTH = MAX_NAME_LENGTH + 1 + 128 + 1 + 135;

/** True for `sha256:` and 64 hex digits, and for the 64 digits alone, as CRI-O lists them. */
export function isFullImageId(text: string): boolean {
  return FULL_ID.test(text);
}

/** True for a digest that names content: algorithm and all its hex digits. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

export function isTag(text: string): boolean {
  return TAG.test(text);
}

export function isDomain(text: string): boolean {
  return DOMAIN.test(text);
}

export function isPathComponent(text: string): boolean {
  return PATH_COMPONENT.test(text);
}

/** The hex digits of an image ID, without `sha256:`: the one form that containerd and CRI-O share. */
export function hexOf(id: string): string {
  return id.startsWith('sha256:') ? id.slice('sha256:'.length) : id;
}

/** True when the part of a name before its first `/` names a registry rather than a path on Docker Hub. */
export function looksLikeDomain(component: string): boolean {
  return (
    component.includes('.') ||
    component.includes(':') ||
    component === 'localhost' ||
    component !== component.toLowerCase()
  );
}

/** `nginx` → `docker.io/library/nginx`, `index.docker.io/a/b` → `docker.io/a/b`, `reg:5000/app` as it is. */
export function normalizeRepository(repository: string): string {
  const slash = repository.indexOf('/');
  const first = slash === -1 ? '' : repository.slice(0, slash);
  const isQualified = slash !== -1 && looksLikeDomain(first);
  if (isQualified && first !== DEFAULT_DOMAIN && first !== LEGACY_DOMAIN) return repository;
  const path = isQualified ? repository.slice(slash + 1) : repository;
  return path.includes('/') ? `${DEFAULT_DOMAIN}/${path}` : `${DEFAULT_DOMAIN}/library/${path}`;
}

/**
 * Splits a name that the runtime listed and writes its repository in full. It does not validate: an image with an odd
 * name is still an image, and what it is compared with is valid.
 */
export function splitName(text: string): ImageName {
  const at = text.indexOf('@');
  const name = at === -1 ? text : text.slice(0, at);
  const colon = name.lastIndexOf(':');
  // A colon before the last slash is a registry's port.
  const hasTag = colon !== -1 && colon > name.lastIndexOf('/');
  return {
    repository: normalizeRepository(hasTag ? name.slice(0, colon) : name),
    tag: hasTag ? name.slice(colon + 1) : undefined,
    digest: at === -1 ? undefined : text.slice(at + 1),
  };
}

/** Reads a reference by the grammar; undefined when it is none. A bare image ID is none either. Never throws. */
export function parseReference(text: string): Reference | undefined {
  if (text.length > MAX_REFERENCE_LENGTH || isFullImageId(text)) return undefined;
  const { repository, tag, digest } = splitName(text);
  if (repository.length > MAX_NAME_LENGTH) return undefined;
  if (tag !== undefined && !isTag(tag)) return undefined;
  if (digest !== undefined && !isDigest(digest)) return undefined;
  const slash = repository.indexOf('/');
  const domain = repository.slice(0, slash);
  const path = repository.slice(slash + 1);
  if (!isDomain(domain) || !path.split('/').every(isPathComponent)) return undefined;
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

/** An image as rules see it. Made once per image and plan, because every rule asks for it. */
export interface NamedSubject {
  /** The ID without `sha256:`. */
  readonly hex: string;
  readonly names: readonly ImageName[];
}

export function subjectOf(image: NamedImage): NamedSubject {
  const names: ImageName[] = [];
  for (const tag of image.tags) names.push(splitName(tag));
  for (const digest of image.digests) names.push(besideName(digest, names[0]) ?? splitName(digest));
  return { hex: hexOf(image.id), names };
}

/** The digest's name where, as nearly always, its repository is that of the tag: one text for both is compared and hashed once. */
function besideName(text: string, tagged: ImageName | undefined): ImageName | undefined {
  if (tagged === undefined || text.indexOf('@') !== tagged.repository.length) return undefined;
  if (!text.startsWith(tagged.repository)) return undefined;
  const { repository } = tagged;
  return { repository, tag: undefined, digest: text.slice(repository.length + 1) };
}

/** Which images of the node a text means. Built once per look at the node. */
export interface ImageIndex {
  /**
   * The IDs, as listed, of every image that `text` can mean: by ID with or without `sha256:`, by an ID's prefix, by tag,
   * by digest, by short name. Several when it is ambiguous, so that all of them are protected; undefined, never an empty
   * list, when none is known. For finding users only: a removal never goes through here.
   */
  resolve(text: string): readonly string[] | undefined;
}

export function indexImages(images: readonly NamedImage[]): ImageIndex {
  const byHex = new Map<string, string | string[]>();
  const byTag = new Map<string, string | string[]>();
  for (const { id, tags, digests } of images) {
    file(byHex, hexOf(id), id);
    // A digest is content, whatever repository it came from: its digits are enough.
    for (const digest of digests) file(byHex, hexOf(digest.slice(digest.indexOf('@') + 1)), id);
    for (const tag of tags) file(byTag, normalizeTag(tag), id);
  }
  let sorted: readonly IdByHex[] | undefined;
  return {
    resolve(text) {
      const found = new Set<string>();
      const take = (known: string | readonly string[] = []): void => {
        for (const id of typeof known === 'string' ? [known] : known) found.add(id);
      };
      const at = text.indexOf('@');
      if (isFullImageId(text)) take(byHex.get(hexOf(text)));
      // The digest says what the content is; a tag beside it says nothing more, and runtimes drop it.
      else if (at !== -1) take(byHex.get(hexOf(text.slice(at + 1))));
      else take(byTag.get(normalizeTag(text)));
      if (ID_PREFIX.test(text)) {
        sorted ??= sortByHex(images);
        take(withPrefix(sorted, hexOf(text)));
      }
      return found.size === 0 ? undefined : [...found];
    },
  };
}

/** Nearly every key has one image: a list is made only for the few that have more. It may name an image twice. */
function file(shelves: Map<string, string | string[]>, key: string, id: string): void {
  const known = shelves.get(key);
  if (known === undefined) shelves.set(key, id);
  else if (typeof known === 'string') shelves.set(key, [known, id]);
  else known.push(id);
}

/** `nginx` → `docker.io/library/nginx:latest`. A text already in full is returned as it is, which is what makes the index cheap. */
function normalizeTag(text: string): string {
  const { repository, tag } = splitName(text);
  if (tag === undefined) return `${repository}:latest`;
  return text.length === repository.length + 1 + tag.length ? text : `${repository}:${tag}`;
}

interface IdByHex {
  readonly hex: string;
  readonly id: string;
}

function sortByHex(images: readonly NamedImage[]): readonly IdByHex[] {
  return images.map(({ id }) => ({ hex: hexOf(id), id })).sort((a, b) => (a.hex < b.hex ? -1 : a.hex > b.hex ? 1 : 0));
}

function withPrefix(sorted: readonly IdByHex[], prefix: string): string[] {
  const found: string[] = [];
  for (let at = firstNotBelow(sorted, prefix); sorted[at]?.hex.startsWith(prefix) === true; at += 1) {
    found.push(sorted[at]?.id ?? '');
  }
  return found;
}

/** Index of the first entry whose hex is not below `prefix`; the entries are sorted. */
function firstNotBelow(entries: readonly { readonly hex: string }[], prefix: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.hex ?? '') < prefix) low = middle + 1;
    else high = middle;
  }
  return low;
}
