import { matchesWidely } from './glob.ts';
import type { ImageRecord } from './inventory.ts';
import type { NamedSubject } from './references.ts';
import type { RepositoryPattern } from './rules.ts';
import { compareNewestFirst, versionOf } from './versions.ts';
import type { SemVer } from 'semver';

export interface NewestTagsRule {
  readonly repository: RepositoryPattern;
  readonly count: number;
}

/** Why an image counts as one of the newest. */
export interface NewestTag {
  readonly repository: string;
  readonly tag: string;
  readonly count: number;
}

/** The images of one repository by tag. */
type TagsOf = Map<string, ImageRecord[]>;

/**
 * The images that hold one of the `count` newest tags of a repository, images in use included. Tags that are versions are
 * ranked by semver, newest first; the others, which no order of names puts in order, by when their image was first seen. Each
 * kind has `count` places, so that `latest` takes none from a version, and tags of equal rank share a place. `subjects` are
 * those of `images`, in the same order.
 */
export function newestTags(
  images: readonly ImageRecord[],
  subjects: readonly NamedSubject[],
  rules: readonly NewestTagsRule[],
): ReadonlyMap<ImageRecord, NewestTag> {
  const newest = new Map<ImageRecord, NewestTag>();
  for (const { repository: pattern, count } of rules) {
    for (const [repository, tags] of tagsByRepository(images, subjects, pattern)) {
      for (const tag of newestOf(tags, count)) {
        for (const image of tags.get(tag) ?? []) {
          if (!newest.has(image)) newest.set(image, { repository, tag, count });
        }
      }
    }
  }
  return newest;
}

function tagsByRepository(
  images: readonly ImageRecord[],
  subjects: readonly NamedSubject[],
  { glob }: RepositoryPattern,
): Map<string, TagsOf> {
  const repositories = new Map<string, TagsOf>();
  const isMeant = new Map<string, boolean>();
  images.forEach((image, at) => {
    for (const { repository, tag } of subjects[at]?.names ?? []) {
      if (tag === undefined) continue;
      let meant = isMeant.get(repository);
      if (meant === undefined) isMeant.set(repository, (meant = matchesWidely(glob, repository)));
      if (!meant) continue;
      let tags = repositories.get(repository);
      if (!tags) repositories.set(repository, (tags = new Map()));
      const holders = tags.get(tag);
      if (holders) holders.push(image);
      else tags.set(tag, [image]);
    }
  });
  return repositories;
}

function newestOf(tags: TagsOf, count: number): Iterable<string> {
  // Most repositories have few tags on a node: these need no ranking.
  if (tags.size <= count) return tags.keys();
  const versions: { tag: string; version: SemVer }[] = [];
  const others: { tag: string; seenMs: number }[] = [];
  for (const [tag, images] of tags) {
    const version = versionOf(tag);
    if (version) versions.push({ tag, version });
    else others.push({ tag, seenMs: Math.max(...images.map(({ firstSeenMs }) => firstSeenMs)) });
  }
  versions.sort((a, b) => compareNewestFirst(a.version, b.version));
  others.sort((a, b) => b.seenMs - a.seenMs);
  // Tags seen at one moment cannot be told apart: those that tie for the last place stay too, but each took a place.
  const lastPlaceMs = others[count - 1]?.seenMs;
  return [
    ...firstPlaces(versions, count, (a, b) => compareNewestFirst(a.version, b.version) === 0),
    ...others.filter(({ seenMs }, at) => at < count || seenMs === lastPlaceMs).map(({ tag }) => tag),
  ];
}

/** The tags that hold the first `count` places; equals share one. */
function firstPlaces<T extends { readonly tag: string }>(
  ranked: readonly T[],
  count: number,
  isEqual: (a: T, b: T) => boolean,
): string[] {
  const kept: string[] = [];
  let places = 0;
  let previous: T | undefined;
  for (const entry of ranked) {
    if (!previous || !isEqual(previous, entry)) places += 1;
    if (places > count) break;
    kept.push(entry.tag);
    previous = entry;
  }
  return kept;
}
