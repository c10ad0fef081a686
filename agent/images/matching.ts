import { matchesNarrowly, matchesWidely } from './glob.ts';
import type { Glob } from './glob.ts';
import { hexOf } from './references.ts';
import type { ImageName, NamedSubject } from './references.ts';
import type { NameSelection, Rule } from './rules.ts';
import { isSurelyInRange, mayBeInRange } from './versions.ts';

/** One of the two readings of a rule: keepMatches or removeMatches. */
type Reading = (rule: Rule, image: NamedSubject) => boolean;

/** Does the rule, as a keep rule, keep the image? A name without a tag covers every tag and digest of the repository. */
export function keepMatches(rule: Rule, image: NamedSubject): boolean {
  switch (rule.kind) {
    case 'every':
      return true;
    case 'id':
      return hasHex(image, rule.hex);
    case 'id-prefix':
      return image.hex.startsWith(rule.hex);
    case 'digest':
      // The digest is the content, whatever repository it was pulled from; and a tag beside it may be meant for itself.
      if (hasHex(image, hexOf(rule.digest))) return true;
      return rule.tag !== undefined && keepsName(rule.repository, { by: 'tag', tag: rule.tag }, image);
    case 'name':
      if (rule.idPrefix !== undefined && image.hex.startsWith(rule.idPrefix)) return true;
      return keepsName(rule.repository, rule.names, image);
  }
}

/** Does the rule, as a remove rule or a request, select the image? A name without a tag means `:latest` only. */
export function removeMatches(rule: Rule, image: NamedSubject): boolean {
  switch (rule.kind) {
    case 'every':
      return true;
    case 'id':
      return hasHex(image, rule.hex);
    case 'id-prefix':
      return false;
    case 'digest':
      for (const { digest, repository } of image.names) {
        if (digest === rule.digest && matchesNarrowly(rule.repository, repository)) return true;
      }
      return false;
    case 'name':
      for (const name of image.names) {
        // A tag is compared sooner than a repository, a version range later.
        const isSelected =
          rule.names.by === 'tag'
            ? removesName(rule, name) && matchesNarrowly(rule.repository, name.repository)
            : matchesNarrowly(rule.repository, name.repository) && removesName(rule, name);
        if (isSelected) return true;
      }
      return false;
  }
}

function keepsName(repository: Glob, names: NameSelection, image: NamedSubject): boolean {
  for (const name of image.names) {
    if (matchesWidely(repository, name.repository) && keepSelects(names, name)) return true;
  }
  return false;
}

function keepSelects(names: NameSelection, { tag }: ImageName): boolean {
  switch (names.by) {
    case 'repository':
    case 'any-digest':
      return true;
    case 'tag':
      return names.tag.source === '*' || (tag !== undefined && matchesWidely(names.tag, tag));
    case 'version':
      return tag !== undefined && mayBeInRange(names.range, tag);
  }
}

function removesName({ names, repository }: Rule & { kind: 'name' }, { tag, digest }: ImageName): boolean {
  switch (names.by) {
    case 'repository':
      return repository.opensBelow || tag === 'latest';
    case 'tag':
      return tag !== undefined && matchesNarrowly(names.tag, tag);
    case 'any-digest':
      return digest !== undefined;
    case 'version':
      return tag !== undefined && isSurelyInRange(names.range, tag);
  }
}

/** Is it the image's ID, or one of its manifest digests? */
function hasHex(image: NamedSubject, hex: string): boolean {
  if (image.hex === hex) return true;
  for (const { digest } of image.names) if (digest !== undefined && hexOf(digest) === hex) return true;
  return false;
}

/** An index of built-in rules lives as long as the agent; no node has so many repositories at one time. */
const MAX_REPOSITORIES = 4096;

/**
 * Rules prepared for many images: a thousand rules cost little more than one, because each is filed under what every name it
 * matches begins with, and only those are asked that an image's names lead to.
 */
export class RuleIndex {
  readonly #rules: readonly Rule[];
  readonly #matches: Reading;
  /** Positions in #rules, ascending. The keys are repositories, or the whole components before a repository's first star. */
  readonly #byPath = new Map<string, number[]>();
  readonly #byHex = new Map<string, number[]>();
  /** By a name of which nothing is certain. */
  readonly #anywhere: number[] = [];
  /** To be asked about every image, whatever it is called. */
  readonly #everywhere: number[] = [];
  readonly #byRepository = new Map<string, readonly number[]>();

  constructor(rules: readonly Rule[], matches: Reading) {
    this.#rules = rules;
    this.#matches = matches;
    for (const [position, rule] of rules.entries()) this.#file(rule, position);
  }

  /** The first rule, in the order written, that matches. */
  firstMatch(image: NamedSubject): Rule | undefined {
    let first = this.#earliest(this.#everywhere, image, this.#rules.length);
    // Looking up a text costs its hash: not where there is nothing to find.
    if (this.#byHex.size > 0) {
      first = this.#earliest(this.#byHex.get(image.hex), image, first);
      for (const { digest } of image.names) {
        if (digest !== undefined) first = this.#earliest(this.#byHex.get(hexOf(digest)), image, first);
      }
    }
    if (this.#byPath.size > 0 || this.#anywhere.length > 0) {
      let previous: string | undefined;
      for (const { repository } of image.names) {
        // Tag and digest mostly share it, and a rule looks at all names at once.
        if (repository === previous) continue;
        previous = repository;
        first = this.#earliest(this.#meantFor(repository), image, first);
      }
    }
    return this.#rules[first];
  }

  /**
   * The rules by name whose pattern of repositories fits this one, in either reading: the narrow one fits nothing else. Found
   * once, because images of one repository are many on a node.
   */
  #meantFor(repository: string): readonly number[] {
    const known = this.#byRepository.get(repository);
    if (known !== undefined) return known;
    const found = new Set([...this.#anywhere, ...(this.#byPath.get(repository) ?? [])]);
    for (let slash = repository.indexOf('/'); slash !== -1; slash = repository.indexOf('/', slash + 1)) {
      for (const position of this.#byPath.get(repository.slice(0, slash)) ?? []) found.add(position);
    }
    const positions = [...found].filter((position) => this.#mayMean(position, repository)).sort((a, b) => a - b);
    if (this.#byRepository.size >= MAX_REPOSITORIES) this.#byRepository.clear();
    this.#byRepository.set(repository, positions);
    return positions;
  }

  #mayMean(position: number, repository: string): boolean {
    const rule = this.#rules[position];
    return rule !== undefined && 'repository' in rule && matchesWidely(rule.repository, repository);
  }

  #earliest(positions: readonly number[] | undefined, image: NamedSubject, before: number): number {
    if (positions === undefined) return before;
    for (const position of positions) {
      if (position >= before) break;
      const rule = this.#rules[position];
      if (rule && this.#matches(rule, image)) return position;
    }
    return before;
  }

  #file(rule: Rule, position: number): void {
    switch (rule.kind) {
      case 'every':
      case 'id-prefix':
        this.#everywhere.push(position);
        break;
      case 'id':
        file(this.#byHex, rule.hex, position);
        break;
      case 'digest':
        file(this.#byHex, hexOf(rule.digest), position);
        if (rule.tag !== undefined) this.#fileByPath(rule.repository, position);
        break;
      case 'name':
        if (rule.idPrefix === undefined) this.#fileByPath(rule.repository, position);
        else this.#everywhere.push(position);
    }
  }

  #fileByPath({ source, literal, pieces: [start = ''] }: Glob, position: number): void {
    const path = literal ? source : start.slice(0, Math.max(0, start.lastIndexOf('/')));
    if (path === '') this.#anywhere.push(position);
    else file(this.#byPath, path, position);
  }
}

function file(shelves: Map<string, number[]>, key: string, position: number): void {
  const shelf = shelves.get(key);
  if (shelf) shelf.push(position);
  else shelves.set(key, [position]);
}
