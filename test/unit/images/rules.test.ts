import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNodetenderError } from '../../../agent/errors.ts';
import { keepMatches, removeMatches, RuleIndex } from '../../../agent/images/matching.ts';
import { subjectOf } from '../../../agent/images/references.ts';
import type { NamedImage } from '../../../agent/images/references.ts';
import { parseRepositoryPattern, parseRule } from '../../../agent/images/rules.ts';
import { digestOf, hexFor, idOf, named } from './examples.ts';

describe('docs/rules.md says what rules do', () => {
  const rows = examplesIn(readFileSync(new URL('../../../docs/rules.md', import.meta.url), 'utf8'));

  it('has its examples', () => {
    expect(rows.length).toBeGreaterThan(50);
  });

  it.each(rows)('$rule with $names: kept $kept, removed $removed', ({ rule, names, kept, removed }) => {
    const image = imageNamed(names);
    expect({ kept: keeps(rule, image), removed: removes(rule, image) }).toEqual({ kept, removed });
  });

  it('shows no rule that removes more than it keeps', () => {
    expect(rows.filter(({ kept, removed }) => removed && !kept)).toEqual([]);
  });
});

describe('the surprises of other cleaners are none here', () => {
  it('a port does not cut a rule short: reg:5000/app:* is about that repository alone', () => {
    for (const other of [
      'reg:5000/other:1',
      'reg:80/app:1',
      'reg/app:1',
      'registry.example/app:1',
      'reg:5000/app/sub:1',
    ]) {
      expect(keeps('reg:5000/app:*', named(idOf('x'), [other]))).toBe(false);
    }
  });

  it('a rule ends where a name ends: alpine:* is not about alpine-foo', () => {
    for (const other of ['alpine-foo:1', 'alpine/foo:1', 'my/alpine:1', 'quay.io/library/alpine:1']) {
      expect(keeps('alpine:*', named(idOf('x'), [other]))).toBe(false);
    }
  });

  it('an image known by digest alone can be kept by repository, registry, digest and ID', () => {
    const image = named(idOf('x'), [], [`registry.example/team/app@${digestOf('x')}`]);
    for (const rule of [
      'registry.example/team/app',
      'registry.example/team/app:*',
      'registry.example/team/*',
      'registry.example/*',
      `registry.example/team/app@${digestOf('x')}`,
      digestOf('x'),
      idOf('x'),
      hexFor('x'),
      '*',
    ]) {
      expect({ rule, kept: keeps(rule, image) }).toEqual({ rule, kept: true });
    }
  });

  it('keeping one alias keeps the image, and naming one alias removes it', () => {
    const image = named(idOf('x'), ['registry.example/app:1', 'mirror.example/app:stable']);
    expect(keeps('mirror.example/app:stable', image)).toBe(true);
    expect(removes('registry.example/app:1', image)).toBe(true);
  });
});

describe('a text that is no rule is refused with what is wrong and an example', () => {
  it.each([
    ['', /empty/],
    ['   ', /empty/],
    ['alpine:', /no tag after the colon/],
    ['alpine:-x', /is no tag/],
    ['Nginx', /capital letters/],
    ['registry.example/Team/app', /capital letters/],
    ['registry.example//app', /empty part/],
    ['/app', /empty part/],
    ['registry.example/', /empty part/],
    ['app?', /only wildcard/],
    ['registry.example/[ab]', /only wildcard/],
    ['two words', /only wildcard/],
    ['**', /double star/],
    ['registry.example/**/app', /double star/],
    ['app:1**', /double star/],
    ['reg*/app', /may be a registry or a path/],
    ['reg.io:port/app', /no registry/],
    ['sha256:', /64 hex digits/],
    ['sha256:xyz', /64 hex digits/],
    [`sha256:${hexFor('x')}0`, /64 hex digits/],
    [`app@sha256:${hexFor('x').slice(1)}`, /64 hex digits/],
    [`app@sha256:${hexFor('x').toUpperCase()}`, /64 hex digits/],
    ['app@', /digest or a version range/],
    ['app@latest', /digest or a version range/],
    ['app@>=1.2 ||', /digest or a version range/],
    ['app@|| >=1.2', /digest or a version range/],
    ['app@>=1.2 || || 3', /digest or a version range/],
    ['user@registry.example/app', /digest or a version range/],
    ['app:1@>=1.2', /exclude each other/],
    ['@>=1', /no name/],
    [':1', /no name/],
    ['a'.repeat(641), /641 characters, at most 640/],
  ])('%j', (text, problem) => {
    const error = refusal(text);
    expect(error).toMatch(problem);
    expect(error).toMatch(/for example: \S/);
  });

  it('never shows a stranger’s control characters or a long text as they are', () => {
    const error = refusal(`app\u001B[2J${'x'.repeat(500)}`);
    expect(error).not.toContain('\u001B');
    expect(error.length).toBeLessThan(400);
  });

  it('a pattern of repositories has neither tag nor digest', () => {
    for (const text of ['app:1', 'app@>=1', `app@${digestOf('x')}`, 'App', '']) {
      expect(() => parseRepositoryPattern(text)).toThrow(/rule/);
    }
    expect(parseRepositoryPattern('nginx').glob.source).toBe('docker.io/library/nginx');
    expect(parseRepositoryPattern('*').glob.source).toBe('*');
    expect(parseRepositoryPattern('reg:5000/team/*').glob.source).toBe('reg:5000/team/*');
  });
});

describe('whatever is written as a rule', () => {
  it('is read or refused, in little time', () => {
    const startedMs = performance.now();
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 700 }), ruleLike), anImage, (text, image) => {
        const rule = parseOrRefuse(text);
        if (!rule) return true;
        read += 1;
        // Removing is never wider than keeping.
        const subject = subjectOf(image);
        return keepMatches(rule, subject) || !removeMatches(rule, subject);
      }),
      { numRuns: 3000 },
    );
    expect(read).toBeGreaterThan(800);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
  });

  it('does not make matching slow', () => {
    const stars = parseRule(`registry.example/${'a*'.repeat(150)}b:*`);
    const image = subjectOf(named(idOf('x'), [`registry.example/${'a'.repeat(230)}:${'a'.repeat(128)}`]));
    const startedMs = performance.now();
    for (let n = 0; n < 1000; n += 1) {
      expect(keepMatches(stars, image) || removeMatches(stars, image)).toBe(false);
    }
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });

  it('is found in an index by each of its halves: the digest, and the tag beside it', () => {
    const index = new RuleIndex([parseRule(`app:1@${digestOf('a')}`)], keepMatches);
    expect(index.firstMatch(subjectOf(named(idOf('x'), ['app:1'])))).toBeDefined();
    expect(index.firstMatch(subjectOf(named(idOf('x'), [], [`mirror.example/app@${digestOf('a')}`])))).toBeDefined();
    expect(index.firstMatch(subjectOf(named(idOf('x'), ['app:2'])))).toBeUndefined();
  });

  it('is found in an index exactly where asking each rule in turn finds it', () => {
    fc.assert(
      fc.property(fc.array(ruleLike, { maxLength: 30 }), anImage, (texts, image) => {
        const rules = texts.flatMap((text) => parseOrRefuse(text) ?? []);
        const subject = subjectOf(image);
        for (const reading of [keepMatches, removeMatches]) {
          expect(new RuleIndex(rules, reading).firstMatch(subject)).toBe(rules.find((rule) => reading(rule, subject)));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const registries = [
  '',
  'team/',
  'registry.example/',
  'registry.example/team/',
  'reg:5000/',
  'docker.io/',
  '*/',
  '*.example/',
];
const paths = ['app', '*', 'app-*', 'app-foo', 'team/*', 'a*p', hexFor('a'), hexFor('a').slice(0, 12)];
const endings = [
  '',
  ':1.2.3',
  ':latest',
  ':*',
  ':v1.*',
  '@>=1 <2',
  '@1.x',
  '@*',
  '@<2 || ^2',
  `@${digestOf('a')}`,
  `:1@${digestOf('b')}`,
];
const oddities = ['', ':', '@', '||', ' ', '/', 'A', '^0', '🐳', idOf('a')];
const wellFormed = fc
  .tuple(fc.constantFrom(...registries), fc.constantFrom(...paths), fc.constantFrom(...endings))
  .map((parts) => parts.join(''));
const malformed = fc
  .array(fc.constantFrom(...registries, ...paths, ...endings, ...oddities), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(''));
const ruleLike = fc.oneof(wellFormed, malformed);

const repository = fc.constantFrom(
  'app',
  'docker.io/library/app',
  'team/app',
  'registry.example/app',
  'registry.example/team/app',
  'reg:5000/app',
  'app-foo',
);
const tag = fc.constantFrom('latest', '1', '1.2', '1.2.3', 'v1.2.3', '1.2.3-alpine', '2.0.0', '20260101', 'main');
const anImage: fc.Arbitrary<NamedImage> = fc.record({
  id: fc.constantFrom(idOf('a'), idOf('b'), hexFor('a')),
  tags: fc.array(
    fc.tuple(repository, tag).map(([name, tag]) => `${name}:${tag}`),
    { maxLength: 3 },
  ),
  digests: fc.array(
    fc.tuple(repository, fc.constantFrom('a', 'b')).map(([name, of]) => `${name}@${digestOf(of)}`),
    { maxLength: 2 },
  ),
});

function keeps(rule: string, image: NamedImage): boolean {
  return keepMatches(parseRule(rule), subjectOf(image));
}

function removes(rule: string, image: NamedImage): boolean {
  return removeMatches(parseRule(rule), subjectOf(image));
}

function refusal(text: string): string {
  try {
    parseRule(text);
  } catch (error) {
    if (isNodetenderError(error, 'rule/invalid')) return error.message;
    throw error;
  }
  throw new Error(`${text} was read as a rule`);
}

function parseOrRefuse(text: string): ReturnType<typeof parseRule> | undefined {
  try {
    return parseRule(text);
  } catch (error) {
    if (isNodetenderError(error, 'rule/invalid')) return undefined;
    throw error;
  }
}

/** The table's `sha256:aa…` are digests of 64 digits. */
function inFull(text: string): string {
  return text.replaceAll(/sha256:([0-9a-f]{2})…/g, (_all, two: string) => `sha256:${two.repeat(32)}`);
}

function examplesIn(page: string): { rule: string; names: string[]; kept: boolean; removed: boolean }[] {
  return [...page.matchAll(/^\| `([^`]+)` +\| ((?:`[^`]+` ?)+) *\| (yes|no) +\| (yes|no) +\|$/gm)].map(
    ([, rule = '', names = '', kept, removed]) => ({
      rule: inFull(rule),
      names: [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => inFull(name)),
      kept: kept === 'yes',
      removed: removed === 'yes',
    }),
  );
}

function imageNamed(names: readonly string[]): NamedImage {
  const id = `sha256:${'11'.repeat(32)}`;
  return named(
    id,
    names.filter((name) => name !== id && !name.includes('@')),
    names.filter((name) => name.includes('@')),
  );
}
