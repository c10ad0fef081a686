import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../../agent/images/inventory.ts';
import { plan } from '../../../agent/images/policy.ts';
import type { Policy } from '../../../agent/images/policy.ts';
import type { Plan } from '../../../agent/images/plan.ts';
import { parseRepositoryPattern, parseRule } from '../../../agent/images/rules.ts';
import { DAY_MS, digestOf, HOUR_MS, idOf, MINUTE_MS, NOW_MS, SECOND_MS, user } from './examples.ts';
import { expectedOf, REPOSITORIES, RULES, TAGS } from './policy.oracle.ts';
import type { Case } from './policy.oracle.ts';

const INVENTORIES = 10_000;

/** Mostly small steps around the limits, so that each side of every limit is met often. */
const AGES_MS = [
  -HOUR_MS,
  0,
  SECOND_MS,
  MINUTE_MS - 1,
  MINUTE_MS,
  2 * MINUTE_MS - 1,
  2 * MINUTE_MS,
  HOUR_MS - 1,
  HOUR_MS,
  7 * DAY_MS - 1,
  7 * DAY_MS,
  9 * DAY_MS,
  10 * DAY_MS,
  20 * DAY_MS,
  30 * DAY_MS,
];

const age = fc.oneof(fc.constantFrom(...AGES_MS), fc.constantFrom(9 * DAY_MS, 10 * DAY_MS, 30 * DAY_MS));
const rarely = fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const tag = fc.tuple(fc.constantFrom(...REPOSITORIES), fc.constantFrom(...TAGS)).map(([name, tag]) => `${name}:${tag}`);
const image = fc.record({
  tags: fc.uniqueArray(tag, { maxLength: 3 }),
  digested: maybe(fc.constantFrom(...REPOSITORIES)),
  sizeBytes: fc.nat(40),
  pinned: rarely,
  used: rarely,
  firstSeenAgeMs: age,
  lastUsedAgeMs: maybe(age),
  preloaded: fc.boolean(),
  namelessAgeMs: maybe(age),
  retryInMs: maybe(fc.constantFrom(-MINUTE_MS, 0, MINUTE_MS)),
});
const rule = fc.constantFrom(...RULES.keys());
const someRules = fc.oneof(fc.constant([]), fc.uniqueArray(rule, { maxLength: 2 }));

const world: fc.Arbitrary<Case> = fc
  .record({
    images: fc.array(image, { minLength: 1, maxLength: 7, size: 'max' }),
    unresolved: fc.oneof({ weight: 19, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    minUnusedMs: fc.constantFrom(0, HOUR_MS, 7 * DAY_MS),
    floorMs: fc.constantFrom(0, 2 * MINUTE_MS),
    removeUnused: fc.boolean(),
    removeOrphans: fc.boolean(),
    orphanAfterMs: fc.constant(MINUTE_MS),
    keepPreloaded: rarely,
    keepSystemImages: fc.boolean(),
    keep: someRules,
    remove: someRules,
    requested: maybe(fc.uniqueArray(rule, { minLength: 1, maxLength: 2 })),
    newestApps: fc.constantFrom(0, 0, 1, 2),
    budgetImages: maybe(fc.constantFrom(1, 2, 0)),
    budgetBytes: maybe(fc.nat(60)),
  })
  .map(({ images, unresolved, ...policy }) => ({
    ...policy,
    inventory: {
      takenAtMs: NOW_MS,
      podsUnchangedMs: 0,
      images: images.map((fields, n) => recordOf(fields, n)),
      unresolved: unresolved ? [{ reference: 'lost', user, why: 'no answer' }] : [],
    },
  }));

describe(`over ${INVENTORIES.toLocaleString('en')} inventories`, () => {
  it('the plan is what a slow and plain reading of the policy gives, and never takes what must stay', () => {
    let removed = 0;
    const codes = new Set<string>();
    fc.assert(
      fc.property(world, (test) => {
        const { keep, remove } = planOf(test);
        const expected = expectedOf(test, NOW_MS);
        const decided = new Map([...keep, ...remove].map(({ image, code }) => [image.id, code]));
        expect(decided).toEqual(expected.codes);
        expect(remove.map(({ image }) => image.id)).toEqual(expected.removed);
        expect(keep.length + remove.length).toBe(test.inventory.images.length);
        // Said again, apart from the reading above: these are what nobody may ever lose.
        for (const { image } of remove) {
          if (image.users.length > 0) throw new Error('removed in use');
          if (image.pinned) throw new Error('removed pinned');
          if (test.inventory.unresolved.length > 0) throw new Error('removed while a use is unknown');
          if (NOW_MS - image.firstSeenMs < test.floorMs) throw new Error('removed young');
          if (test.keep.some((rule) => RULES[rule]?.keeps(image))) throw new Error('removed against a keep rule');
        }
        removed += remove.length;
        for (const code of decided.values()) codes.add(code);
      }),
      { numRuns: INVENTORIES },
    );
    // The worlds are rich enough: every reason occurs, but the one that only the cleaner gives.
    expect([...codes].toSorted()).toEqual(
      [
        'unknown-use',
        'in-use',
        'pinned',
        'system',
        'keep-rule',
        'preloaded',
        'newest-tag',
        'just-appeared',
        'nameless-recently',
        'not-selected',
        'used-recently',
        'backing-off',
        'over-budget',
        'requested',
        'remove-rule',
        'unused',
        'orphan',
      ].toSorted(),
    );
    expect(removed).toBeGreaterThan(INVENTORIES / 4);
  });
});

describe('the plan', () => {
  it('is the same for the same node, in whatever order the runtime lists its images', () => {
    fc.assert(
      fc.property(world, (test) => {
        const turned = { ...test.inventory, images: test.inventory.images.toReversed() };
        expect(idsOf(planOf({ ...test, inventory: turned }))).toEqual(idsOf(planOf(test)));
      }),
      { numRuns: 1000 },
    );
  });

  // A budget spent on one image fewer pays for another, so there the plan may gain an image; not so without one.
  it.each([
    ['a user', (image: ImageRecord) => ({ ...image, users: [user] })],
    ['a pin', (image: ImageRecord) => ({ ...image, pinned: true })],
    ['a later use', (image: ImageRecord) => ({ ...image, lastUsedMs: Math.max(image.lastUsedMs ?? 0, NOW_MS) })],
    [
      'a failed removal',
      (image: ImageRecord) => ({ ...image, failure: { count: 1, retryAtMs: NOW_MS + 1, message: '' } }),
    ],
  ])('never grows by %s', (_what, change) => {
    fc.assert(
      fc.property(world, fc.nat(), (unbudgeted, pick) => {
        const test = { ...unbudgeted, budgetImages: undefined, budgetBytes: undefined };
        const images = test.inventory.images.map((image, n) => (n === pick % 7 ? change(image) : image));
        const after = planOf({ ...test, inventory: { ...test.inventory, images } });
        expect(new Set(idsOf(after)).isSubsetOf(new Set(idsOf(planOf(test))))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it('never grows by a keep rule, whatever its text', () => {
    const before = (test: Case): Policy => ({ ...policyOf(test), budget: { images: undefined, bytes: undefined } });
    fc.assert(
      fc.property(
        world,
        fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom(...RULES.map(({ text }) => text))),
        (test, text) => {
          const rules = parsed(text);
          const policy = before(test);
          const without = plan(test.inventory, policy, NOW_MS);
          const with_ = plan(test.inventory, { ...policy, keep: [...policy.keep, ...rules] }, NOW_MS);
          expect(new Set(idsOf(with_)).isSubsetOf(new Set(idsOf(without)))).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('gains nothing from a remove rule made of garbage', () => {
    fc.assert(
      fc.property(world, fc.string({ unit: 'binary', maxLength: 300 }), (test, text) => {
        fc.pre(!text.includes('*'));
        const policy = policyOf(test);
        const more = { ...policy, remove: [...policy.remove, ...parsed(text)] };
        expect(idsOf(plan(test.inventory, more, NOW_MS))).toEqual(idsOf(planOf(test)));
      }),
      { numRuns: 1000 },
    );
  });
});

function recordOf(
  { digested, used, firstSeenAgeMs, lastUsedAgeMs, namelessAgeMs, retryInMs, ...fields }: Generated,
  n: number,
): ImageRecord {
  return {
    ...fields,
    id: idOf(`image ${n}`),
    digests: digested === undefined ? [] : [`${digested}@${digestOf(`image ${n}`)}`],
    users: used ? [user] : [],
    firstSeenMs: NOW_MS - firstSeenAgeMs,
    lastUsedMs: lastUsedAgeMs === undefined ? undefined : NOW_MS - lastUsedAgeMs,
    namelessSinceMs: namelessAgeMs === undefined ? undefined : NOW_MS - namelessAgeMs,
    failure: retryInMs === undefined ? undefined : { count: 1, retryAtMs: NOW_MS + retryInMs, message: 'busy' },
  };
}

type Generated = typeof image extends fc.Arbitrary<infer T> ? T : never;

const parsedRules = RULES.map(({ text }) => parseRule(text));
const apps = parseRepositoryPattern('app');

function policyOf({ inventory: _inventory, budgetImages, budgetBytes, newestApps, ...test }: Case): Policy {
  const rules = (positions: readonly number[]): Policy['keep'] => positions.flatMap((at) => parsedRules[at] ?? []);
  return {
    ...test,
    keep: rules(test.keep),
    remove: rules(test.remove),
    requested: test.requested && rules(test.requested),
    keepNewestTags: [{ repository: apps, count: newestApps }],
    budget: { images: budgetImages, bytes: budgetBytes },
  };
}

function planOf(test: Case): Plan {
  return plan(test.inventory, policyOf(test), NOW_MS);
}

function idsOf({ remove }: Plan): string[] {
  return remove.map(({ image }) => image.id);
}

function parsed(text: string): Policy['keep'] {
  try {
    return [parseRule(text)];
  } catch {
    return [];
  }
}
