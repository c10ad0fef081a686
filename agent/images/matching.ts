import { matchesNarrowly, matchesWidely } from './glob.ts';
import type { Glob } from './glob.ts';
import { hexOf, namesOf } from './references.ts';
import type { ImageName, NamedImage } from './references.ts';
import type { NameSelection, Rule } from './rules.ts';
import { isSurelyInRange, mayBeInRange } from './versions.ts';

/** Does the rule, as a keep rule, keep the image? A name without a tag covers every tag and digest of the repository. */
export function keepMatches(rule: Rule, image: NamedImage): boolean {
  switch (rule.kind) {
    case 'every':
      return true;
    case 'id':
      return hasHex(image, rule.hex);
    case 'id-prefix':
      return hexOf(image.id).startsWith(rule.hex);
    case 'digest':
      // The digest is the content, whatever repository it was pulled from; and a tag beside it may be meant for itself.
      return hasHex(image, hexOf(rule.digest)) || (rule.tag !== undefined && hasTag(image, rule.repository, rule.tag));
    case 'name':
      return (
        (rule.idPrefix !== undefined && hexOf(image.id).startsWith(rule.idPrefix)) ||
        namesOf(image).some((name) => matchesWidely(rule.repository, name.repository) && keepSelects(rule.names, name))
      );
  }
}

/** Does the rule, as a remove rule or a request, select the image? A name without a tag means `:latest` only. */
export function removeMatches(rule: Rule, image: NamedImage): boolean {
  switch (rule.kind) {
    case 'every':
      return true;
    case 'id':
      return hasHex(image, rule.hex);
    case 'id-prefix':
      return false;
    case 'digest':
      return namesOf(image).some(
        ({ repository, digest }) => digest === rule.digest && matchesNarrowly(rule.repository, repository),
      );
    case 'name':
      return namesOf(image).some(
        (name) => matchesNarrowly(rule.repository, name.repository) && removeSelects(rule, name),
      );
  }
}

function keepSelects(names: NameSelection, name: ImageName): boolean {
  switch (names.by) {
    case 'tag':
      return names.tag.source === '*' || (name.tag !== undefined && matchesWidely(names.tag, name.tag));
    case 'version':
      return name.tag !== undefined && mayBeInRange(names.range, name.tag);
    case 'repository':
    case 'any-digest':
      return true;
  }
}

function removeSelects({ names, repository }: Rule & { kind: 'name' }, name: ImageName): boolean {
  switch (names.by) {
    case 'repository':
      return repository.opensBelow || name.tag === 'latest';
    case 'tag':
      return name.tag !== undefined && matchesNarrowly(names.tag, name.tag);
    case 'any-digest':
      return name.digest !== undefined;
    case 'version':
      return name.tag !== undefined && isSurelyInRange(names.range, name.tag);
  }
}

function hasTag(image: NamedImage, repository: Glob, tag: Glob): boolean {
  return namesOf(image).some(
    (name) => name.tag !== undefined && matchesWidely(tag, name.tag) && matchesWidely(repository, name.repository),
  );
}

function hasHex(image: NamedImage, hex: string): boolean {
  return hexOf(image.id) === hex || namesOf(image).some(({ digest }) => digest !== undefined && hexOf(digest) === hex);
}

/** Rules prepared for many images: thousands of plain names and IDs cost no more than one. */
export interface RuleIndex {
  /** The first rule, in the order written, that matches. */
  firstMatch(image: NamedImage): Rule | undefined;
}

export function indexRules(rules: readonly Rule[], matches: (rule: Rule, image: NamedImage) => boolean): RuleIndex {
  const byRepository = new Map<string, number[]>();
  const byHex = new Map<string, number[]>();
  const everywhere: number[] = [];
  for (const [order, rule] of rules.entries()) {
    if (rule.kind === 'id') file(byHex, rule.hex, order);
    else if (rule.kind === 'digest') file(byHex, hexOf(rule.digest), order);
    const needsName = rule.kind === 'name' || (rule.kind === 'digest' && rule.tag !== undefined);
    const isAnywhere = rule.kind === 'name' && rule.idPrefix !== undefined;
    if (needsName && rule.repository.literal && !isAnywhere) file(byRepository, rule.repository.source, order);
    else if (needsName || rule.kind === 'every' || rule.kind === 'id-prefix') everywhere.push(order);
  }
  return {
    firstMatch(image) {
      let first = rules.length;
      const consider = (orders: readonly number[] | undefined): void => {
        for (const order of orders ?? []) {
          // Orders ascend: nothing after this one can come first.
          if (order >= first) return;
          const rule = rules[order];
          if (rule && matches(rule, image)) first = order;
        }
      };
      consider(everywhere);
      if (byHex.size > 0) consider(byHex.get(hexOf(image.id)));
      if (byHex.size > 0 || byRepository.size > 0) {
        for (const { repository, digest } of namesOf(image)) {
          consider(byRepository.get(repository));
          if (digest !== undefined) consider(byHex.get(hexOf(digest)));
        }
      }
      return rules[first];
    },
  };
}

function file(shelves: Map<string, number[]>, key: string, order: number): void {
  const shelf = shelves.get(key);
  if (shelf) shelf.push(order);
  else shelves.set(key, [order]);
}
