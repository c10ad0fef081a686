import semver from 'semver';
import type { Range, SemVer } from 'semver';

/** A semver range, read twice: for keeping (prereleases and suffixes count) and for removing (they do not, unless named). */
export interface VersionRange {
  readonly text: string;
  readonly wide: Range;
  readonly narrow: Range;
}

/** The numbers a tag begins with: `1`, `v1.2`, `1.2.3-alpine`. Fifteen digits are the most that stay exact. */
const LEADING_NUMBERS = /^[vV]?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?!\d)/;
const MAJOR_MINOR = /^v?(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})$/;

/**
 * What a range says of the spans that floating tags stand for (`1.4.x`). semver takes up to 100 µs to compare a span with a
 * range, a node may hold thousands of such tags, and each look plans anew: the answers never change, so they are remembered
 * as long as the rule lives. More spans than nodes have tags do not fit; then the answers are forgotten and found again.
 */
class SpanAnswers {
  readonly #byRange = new WeakMap<Range, Map<string, boolean>>();
  readonly #find: (span: string, range: Range) => boolean;

  constructor(find: (span: string, range: Range) => boolean) {
    this.#find = find;
  }

  of(span: string, range: Range): boolean {
    let answers = this.#byRange.get(range);
    if (answers === undefined) this.#byRange.set(range, (answers = new Map<string, boolean>()));
    let answer = answers.get(span);
    if (answer === undefined) {
      answer = this.#find(span, range);
      if (answers.size >= MAX_SPANS) answers.clear();
      answers.set(span, answer);
    }
    return answer;
  }
}

const MAX_SPANS = 20_000;
const meeting = new SpanAnswers((span, wide) => semver.intersects(span, wide, { includePrerelease: true }));
const holding = new SpanAnswers((span, narrow) => semver.subset(span, narrow));

/** Undefined when `text` is no range. An empty alternative (`>=1 ||`) would mean every version, so it is none either. */
export function parseVersionRange(text: string): VersionRange | undefined {
  if (text.split('||').some((alternative) => alternative.trim() === '')) return undefined;
  try {
    return { text, wide: new semver.Range(text, { includePrerelease: true }), narrow: new semver.Range(text) };
  } catch {
    return undefined;
  }
}

/**
 * Can the tag be a version in the range? What follows the numbers is taken both as a variant (`1.2.3-alpine` is 1.2.3) and,
 * where it is semver, as a prerelease; a tag with fewer than three numbers stands for all versions that begin so.
 */
export function mayBeInRange(range: VersionRange, tag: string): boolean {
  const numbers = LEADING_NUMBERS.exec(tag);
  if (!numbers) return false;
  const [, major, minor, patch] = numbers;
  if (patch === undefined) {
    const span = minor === undefined ? `${Number(major)}.x.x` : `${Number(major)}.${Number(minor)}.x`;
    return meeting.of(span, range.wide);
  }
  if (range.wide.test(`${Number(major)}.${Number(minor)}.${Number(patch)}`)) return true;
  const exact = semver.parse(tag);
  return exact !== null && range.wide.test(exact);
}

/**
 * Is the tag beyond doubt a version in the range? `1.2.3` and `v1.2.3`; prereleases (and `1.2.3-alpine` looks like one) only
 * where the range names one, by semver's own rule; `1.2`, a tag that moves, only when every 1.2.x is in the range. A number
 * alone is as often a date or a build: it is no version here.
 */
export function isSurelyInRange(range: VersionRange, tag: string): boolean {
  const floating = MAJOR_MINOR.exec(tag);
  if (floating) {
    const [, major, minor] = floating;
    return range.narrow.test(`${major}.${minor}.0`) && holding.of(`${major}.${minor}.x`, range.narrow);
  }
  const exact = semver.parse(tag);
  return exact !== null && range.narrow.test(exact);
}

/** The version by which a tag is ranked among others of its repository; missing numbers count as 0. */
export function versionOf(tag: string): SemVer | undefined {
  const exact = semver.parse(tag);
  if (exact) return exact;
  const numbers = LEADING_NUMBERS.exec(tag);
  if (!numbers) return undefined;
  const [, major, minor = '0', patch = '0'] = numbers;
  return semver.parse(`${Number(major)}.${Number(minor)}.${Number(patch)}`) ?? undefined;
}

/** Negative when `a` is the newer one. */
export function compareNewestFirst(a: SemVer, b: SemVer): number {
  return semver.rcompare(a, b);
}
