import { NodetenderError } from '../errors.ts';
import { compileGlob } from './glob.ts';
import type { Glob } from './glob.ts';
import {
  hexOf,
  isDigest,
  isDomain,
  isFullImageId,
  isPathComponent,
  isTag,
  looksLikeDomain,
  normalizeRepository,
} from './references.ts';
import { parseVersionRange } from './versions.ts';
import type { VersionRange } from './versions.ts';

/**
 * A text that selects images, as written in `keep`, `remove` or on the command line. One rule has two readings: keeping reads
 * it widely, removing narrowly, so that a doubt always leaves the image where it is. Both look at every name of an image and
 * speak of the image: it is kept when one name matches a keep rule, and goes, with all its names, when one matches a remove
 * rule and none a keep rule. All forms are in docs/rules.md.
 */
export type Rule = { readonly text: string } & Selection;

type Selection =
  /** `*` */
  | { readonly kind: 'every' }
  /** A full image ID; its digits may also be those of a manifest digest. */
  | { readonly kind: 'id'; readonly hex: string }
  /** The beginning of an ID: protects what it may mean, and never removes. */
  | { readonly kind: 'id-prefix'; readonly hex: string }
  /** `repo@sha256:…` or `repo:tag@sha256:…` */
  | {
      readonly kind: 'digest';
      readonly repository: Glob;
      readonly tag: Glob | undefined;
      readonly digest: string;
    }
  | {
      readonly kind: 'name';
      readonly repository: Glob;
      readonly names: NameSelection;
      /** Set when the text could as well be the beginning of an ID. */
      readonly idPrefix?: string;
    };

export type NameSelection =
  /** No tag. */
  | { readonly by: 'repository' }
  | { readonly by: 'tag'; readonly tag: Glob }
  /** `repo@*` */
  | { readonly by: 'any-digest' }
  | { readonly by: 'version'; readonly range: VersionRange };

/** A rule that names repositories only, for `keepNewestTags`. */
export interface RepositoryPattern {
  readonly text: string;
  readonly glob: Glob;
}

/** A name, a tag and a digest at their longest fit; nobody types more. */
const MAX_RULE_LENGTH = 640;
/** Shorter hex texts are far more often names (`ada`, `cafe`) than beginnings of IDs. */
const ID_PREFIX_TEXT = /^[a-f0-9]{6,63}$/;
const PATH_PATTERN = /^[a-z0-9._*-]+$/;
const DOMAIN_PATTERN = /^[A-Za-z0-9.*-]+(?::[0-9*]+)?$/;
const TAG_PATTERN = /^[A-Za-z0-9_.*-]{1,128}$/;

/** Reads a rule. Throws NodetenderError `rule/invalid`, which says what is wrong and gives an example. */
export function parseRule(text: string): Rule {
  const rule = trimmed(text);
  return { text: rule, ...parseSelection(rule) };
}

/** Reads a pattern of repositories (`registry.example/app`, `registry.example/*`). Throws NodetenderError `rule/invalid`. */
export function parseRepositoryPattern(text: string): RepositoryPattern {
  const rule = trimmed(text);
  const { name, tag } = splitTag(rule);
  if (tag !== undefined || rule.includes('@')) {
    throw invalid(rule, 'a repository is expected, without tag or digest', 'registry.example/app');
  }
  return { text: rule, glob: parseRepository(rule, name) };
}

function trimmed(text: string): string {
  const rule = text.trim();
  if (rule === '') throw invalid(rule, 'it is empty', 'registry.example/app:*');
  if (rule.length > MAX_RULE_LENGTH) {
    throw invalid(rule, `it has ${rule.length} characters, at most ${MAX_RULE_LENGTH} are read`, 'registry.example/*');
  }
  return rule;
}

function parseSelection(rule: string): Selection {
  if (rule === '*') return { kind: 'every' };
  if (isFullImageId(rule)) return { kind: 'id', hex: hexOf(rule) };
  if (rule.startsWith('sha256:')) {
    const hex = hexOf(rule);
    if (/^[a-f0-9]{1,63}$/.test(hex)) return { kind: 'id-prefix', hex };
    throw invalid(rule, 'sha256: must be followed by 64 hex digits in lower case', `sha256:${'0a'.repeat(32)}`);
  }
  const at = rule.indexOf('@');
  const { name, tag } = splitTag(at === -1 ? rule : rule.slice(0, at));
  const repository = parseRepository(rule, name);
  const tagGlob = tag === undefined ? undefined : parseTag(rule, tag);
  if (at !== -1) return parseAfterAt(rule, rule.slice(at + 1), repository, tagGlob);
  if (tagGlob) return { kind: 'name', repository, names: { by: 'tag', tag: tagGlob } };
  const idPrefix = ID_PREFIX_TEXT.test(rule) ? { idPrefix: rule } : {};
  return { kind: 'name', repository, names: { by: 'repository' }, ...idPrefix };
}

function parseAfterAt(rule: string, after: string, repository: Glob, tag: Glob | undefined): Selection {
  if (isDigest(after)) return { kind: 'digest', repository, tag, digest: after };
  if (/^\s*sha\d+:/i.test(after)) {
    throw invalid(rule, 'the digest is not sha256: and 64 hex digits in lower case', `app@sha256:${'0a'.repeat(32)}`);
  }
  if (tag !== undefined) {
    throw invalid(rule, 'a tag and a version range exclude each other', 'registry.example/app@>=1.2 <2');
  }
  if (after.trim() === '*') return { kind: 'name', repository, names: { by: 'any-digest' } };
  const range = parseVersionRange(after.trim());
  if (!range) {
    throw invalid(rule, 'after @ a digest or a version range is expected', 'registry.example/app@>=1.2 <2');
  }
  return { kind: 'name', repository, names: { by: 'version', range } };
}

/** A colon behind the last slash begins a tag; one before it, a port. */
function splitTag(text: string): { readonly name: string; readonly tag: string | undefined } {
  const colon = text.lastIndexOf(':');
  if (colon === -1 || colon < text.lastIndexOf('/')) return { name: text, tag: undefined };
  return { name: text.slice(0, colon), tag: text.slice(colon + 1) };
}

function parseTag(rule: string, tag: string): Glob {
  if (tag === '') throw invalid(rule, 'there is no tag after the colon', 'alpine:3.20 or alpine:*');
  refuseDoubleStar(rule, tag);
  if (!(tag.includes('*') ? TAG_PATTERN.test(tag) : isTag(tag))) {
    throw invalid(rule, `${quote(tag)} is no tag: letters, digits, _ . - and * are allowed`, 'alpine:3.*');
  }
  return compileGlob(tag);
}

function parseRepository(rule: string, name: string): Glob {
  if (name === '') throw invalid(rule, 'there is no name', 'registry.example/app:*');
  refuseDoubleStar(rule, name);
  if (name === '*') return compileGlob(name);
  const components = name.split('/');
  const first = components[0] ?? '';
  const hasDomain = components.length > 1 && (first === '*' || looksLikeDomain(first));
  if (components.length > 1 && !hasDomain && first.includes('*')) {
    throw invalid(
      rule,
      `${quote(first)} may be a registry or a path on docker.io`,
      `docker.io/${name} or *.example/app`,
    );
  }
  if (hasDomain && !(first.includes('*') ? DOMAIN_PATTERN.test(first) : isDomain(first))) {
    throw invalid(rule, `${quote(first)} is no registry`, 'registry.example:5000/app');
  }
  for (const component of hasDomain ? components.slice(1) : components) refuseBadComponent(rule, component);
  // docker.io/* is all of Docker Hub, not docker.io/library/*.
  if (/^(?:index\.)?docker\.io\/\*$/.test(name)) return compileGlob('docker.io/*');
  return compileGlob(first === '*' ? name : normalizeRepository(name));
}

function refuseBadComponent(rule: string, component: string): void {
  if (component === '') throw invalid(rule, 'there is an empty part in the name', 'registry.example/team/app');
  if (component.includes('*') ? PATH_PATTERN.test(component) : isPathComponent(component)) return;
  const problem = /[A-Z]/.test(component)
    ? `${quote(component)} has capital letters, repositories have none`
    : `${quote(component)} is no part of a repository's name; * is the only wildcard`;
  throw invalid(rule, problem, 'registry.example/team/app-*');
}

function refuseDoubleStar(rule: string, part: string): void {
  if (part.includes('**')) throw invalid(rule, 'there is a double star; /* covers all below', 'registry.example/*');
}

function invalid(rule: string, problem: string, example: string): NodetenderError {
  return new NodetenderError('rule/invalid', `rule ${quote(rule)}: ${problem}; for example: ${example}`);
}

/** Quoted and escaped, so that no text of a stranger reaches a terminal or a log line as it is. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
