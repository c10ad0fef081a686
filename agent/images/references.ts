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

const splitNames = new WeakMap<NamedImage, readonly ImageName[]>();

/** The names of an image, split. Kept with the record, because every rule of a plan asks for them. */
export function namesOf(image: NamedImage): readonly ImageName[] {
  let names = splitNames.get(image);
  if (names === undefined) {
    names = [...image.tags, ...image.digests].map(splitName);
    splitNames.set(image, names);
  }
  return names;
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
  const byKey = new Map<string, string | string[]>();
  const add = (key: string, id: string): void => {
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, id);
    else if (typeof known === 'string') {
      if (known !== id) byKey.set(key, [known, id]);
    } else if (!known.includes(id)) known.push(id);
  };
  for (const image of images) {
    add(hexOf(image.id), image.id);
    for (const name of namesOf(image)) {
      if (name.tag !== undefined) add(`${name.repository}:${name.tag}`, image.id);
      if (name.digest !== undefined) {
        add(`${name.repository}@${name.digest}`, image.id);
        add(hexOf(name.digest), image.id);
      }
    }
  }
  let idsByHex: { readonly hex: string; readonly id: string }[] | undefined;
  const withPrefix = (prefix: string): string[] => {
    idsByHex ??= images
      .map(({ id }) => ({ hex: hexOf(id), id }))
      .sort((a, b) => (a.hex < b.hex ? -1 : a.hex > b.hex ? 1 : 0));
    const found: string[] = [];
    for (const { hex, id } of idsByHex.slice(firstNotBelow(idsByHex, prefix))) {
      if (!hex.startsWith(prefix)) break;
      found.push(id);
    }
    return found;
  };
  return {
    resolve(text) {
      const found = new Set<string>();
      const take = (key: string): void => {
        const known = byKey.get(key);
        for (const id of typeof known === 'string' ? [known] : (known ?? [])) found.add(id);
      };
      if (isFullImageId(text)) {
        take(hexOf(text));
      } else {
        const { repository, tag, digest } = splitName(text);
        if (digest === undefined) {
          take(`${repository}:${tag ?? 'latest'}`);
        } else {
          // The digest says what the content is; a tag beside it says nothing more, and runtimes drop it.
          take(`${repository}@${digest}`);
          if (found.size === 0) take(hexOf(digest));
        }
        if (ID_PREFIX.test(text)) for (const id of withPrefix(hexOf(text))) found.add(id);
      }
      return found.size === 0 ? undefined : [...found];
    },
  };
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
