import { describe, expect, it } from 'vitest';
import type { UnresolvedUse } from '../../../agent/images/inventory.ts';
import { plan } from '../../../agent/images/policy.ts';
import { DAY_MS, hexFor, HOUR_MS, idOf, MINUTE_MS, NOW_MS, record, SECOND_MS, user, usualPolicy } from './examples.ts';
import { inventory, rules, verdictOn } from './verdicts.ts';

describe('an image stays because', () => {
  it('a container uses it, in any state', () => {
    expect(verdictOn(record('app:1', { users: [user] }))).toBe('keep in-use: container web of pod shop/web-7f uses it');
    expect(
      verdictOn(
        record('app:1', {
          users: [
            {
              kind: 'container',
              id: 'c',
              name: 'job',
              state: 'exited',
              pod: { namespace: 'shop', name: 'web-7f', uid: 'u' },
            },
          ],
        }),
      ),
    ).toBe('keep in-use: exited container job of pod shop/web-7f uses it');
    expect(
      verdictOn(
        record('app:1', {
          users: [{ kind: 'container', id: hexFor('c'), name: '', state: 'running', pod: undefined }],
        }),
      ),
    ).toBe(`keep in-use: container ${hexFor('c').slice(0, 12)} uses it`);
  });

  it('a sandbox runs it, a volume is made of it or a pod names it', () => {
    const pod = { namespace: 'shop', name: 'web-7f', uid: 'u' };
    expect(verdictOn(record('app:1', { users: [{ kind: 'sandbox', id: 's', pod }] }))).toBe(
      'keep in-use: the sandbox of pod shop/web-7f runs it',
    );
    expect(
      verdictOn(record('app:1', { users: [{ kind: 'volume', containerId: 'c', containerName: 'web', pod }] })),
    ).toBe('keep in-use: container web of pod shop/web-7f mounts it as a volume');
    expect(verdictOn(record('app:1', { users: [{ kind: 'pod', pod }] }))).toBe(
      'keep in-use: pod shop/web-7f on this node names it',
    );
  });

  it('several use it: the first is named, the others are counted', () => {
    expect(verdictOn(record('app:1', { users: [user, user] }))).toMatch(/uses it, and so does 1 other$/);
    expect(verdictOn(record('app:1', { users: [user, user, user] }))).toMatch(/uses it, and so do 2 others$/);
  });

  it('the runtime pins it', () => {
    expect(verdictOn(record('app:1', { pinned: true }))).toBe('keep pinned: the container runtime pins it');
  });

  it('a keep rule names it, by any of its names', () => {
    const image = record('x', { tags: ['registry.example/app:1', 'mirror.example/app:1'] });
    expect(verdictOn(image, { keep: rules('other', 'mirror.example/*') })).toBe(
      'keep keep-rule: keep rule "mirror.example/*" matches it',
    );
  });

  it('we found it there, where that is asked for', () => {
    const image = record('app:1', { preloaded: true });
    expect(verdictOn(image, { keepPreloaded: true })).toMatch(/^keep preloaded: /);
    expect(verdictOn(image)).toMatch(/^remove unused: /);
  });

  it('nobody has known it for long: it has just appeared, or is yet to appear by the clock', () => {
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - 40 * SECOND_MS }), { minUnusedMs: 0 })).toBe(
      'keep just-appeared: first seen 40 seconds ago, limit 2 minutes',
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS + DAY_MS }), { minUnusedMs: 0, floorMs: 0 })).toMatch(
      /^keep just-appeared: by the clock of this node it is yet to be seen$/,
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - 2 * MINUTE_MS }), { minUnusedMs: 0 })).toMatch(
      /^remove unused/,
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS }), { minUnusedMs: 0, floorMs: 0 })).toMatch(
      /^remove unused/,
    );
  });

  it('the runtime makes sandboxes of it, whatever is asked, unless system images are given up', () => {
    const image = record('mirror.example/base/sandbox:7', { users: [{ kind: 'runtime' }] });
    expect(verdictOn(image, { requested: rules('*') })).toBe(
      'keep system: the container runtime is configured to start pods with it',
    );
    expect(verdictOn(image, { keepSystemImages: false })).toMatch(/^remove unused/);
  });

  it('nobody has looked at the node before: in words that claim no more than this look saw', () => {
    const unknown = record('app:1', { firstSeenMs: NOW_MS - 999 });
    expect(verdictOn(unknown)).toBe('keep just-appeared: seen for the first time just now, limit 2 minutes');
    expect(verdictOn(unknown, { floorMs: 0 })).toBe(
      'keep used-recently: nothing uses it now, seen for the first time just now, limit 7 days',
    );
    expect(verdictOn(unknown, { floorMs: 0, minUnusedMs: 0 })).toBe(
      'remove unused: nothing uses it now, seen for the first time just now',
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - 1000 }), { floorMs: 0, minUnusedMs: 0 })).toBe(
      'remove unused: never used, first seen 1 second ago',
    );
  });

  it('too little time has passed: it was used lately, or came lately and was never used', () => {
    expect(verdictOn(record('app:1', { lastUsedMs: NOW_MS - 50 * HOUR_MS }))).toBe(
      'keep used-recently: unused for 2 days 2 hours, limit 7 days',
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - 3 * DAY_MS }))).toBe(
      'keep used-recently: never used, first seen 3 days ago, limit 7 days',
    );
    expect(verdictOn(record('app:1', { lastUsedMs: NOW_MS - 7 * DAY_MS + 1 }))).toMatch(
      /^keep used-recently: unused for 6 days 23 hours, limit 7 days/,
    );
  });

  it('nothing selects it', () => {
    expect(verdictOn(record('app:1'), { removeUnused: false })).toMatch(
      /^keep not-selected: no remove rule matches it/,
    );
    expect(verdictOn(record('app:1'), { requested: rules('other:1') })).toBe(
      'keep not-selected: no pattern asks for it',
    );
  });

  it('its removal failed and is not due again', () => {
    const failure = { count: 2, retryAtMs: NOW_MS + 12 * MINUTE_MS, message: 'device busy' };
    expect(verdictOn(record('app:1', { failure }))).toBe(
      'keep backing-off: 2 removals failed, next try in 12 minutes: device busy',
    );
    expect(verdictOn(record('app:1', { failure: { ...failure, retryAtMs: NOW_MS } }))).toMatch(/^remove unused/);
  });

  it('a time or size that is no number is never a reason to remove', () => {
    expect(verdictOn(record('app:1', { lastUsedMs: NaN }))).toMatch(/^keep /);
    for (const policy of [{}, { requested: rules('*') }, { remove: rules('*') }]) {
      expect(verdictOn(record('app:1', { firstSeenMs: NaN }), policy)).toMatch(/^keep /);
      expect(verdictOn(record('app:1'), { ...policy, floorMs: NaN })).toMatch(/^keep /);
      expect(verdictOn(record('x', { tags: [], namelessSinceMs: NaN }), policy)).toMatch(/^keep /);
    }
    expect(verdictOn(record('app:1', { failure: { count: 1, retryAtMs: NaN, message: '' } }))).toMatch(/^keep /);
    expect(verdictOn(record('app:1', { sizeBytes: NaN }), { budget: { images: undefined, bytes: 1e9 } })).toMatch(
      /^keep /,
    );
    expect(verdictOn(record('app:1'), { minUnusedMs: NaN })).toMatch(/^keep /);
    expect(plan(inventory([record('app:1')]), usualPolicy, NaN).remove).toEqual([]);
  });
});

describe('an image goes because', () => {
  it('nothing used it for long enough', () => {
    expect(verdictOn(record('app:1', { lastUsedMs: NOW_MS - 9 * DAY_MS }))).toBe(
      'remove unused: unused for 9 days, limit 7 days',
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - 9 * DAY_MS }))).toBe(
      'remove unused: never used, first seen 9 days ago, limit 7 days',
    );
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - 9 * DAY_MS }), { minUnusedMs: 0 })).toBe(
      'remove unused: never used, first seen 9 days ago',
    );
  });

  it('a remove rule names it, whatever its age above the floor', () => {
    const young = { firstSeenMs: NOW_MS - HOUR_MS, lastUsedMs: NOW_MS - MINUTE_MS };
    for (const removeUnused of [true, false]) {
      expect(verdictOn(record('app:1', young), { removeUnused, remove: rules('app:*') })).toBe(
        'remove remove-rule: remove rule "app:*" matches it',
      );
    }
    expect(verdictOn(record('app:1', { firstSeenMs: NOW_MS - MINUTE_MS }), { remove: rules('*') })).toMatch(
      /^keep just-app/,
    );
  });

  it('a person asked for it; what nobody asked for stays, remove rules or not', () => {
    const policy = { requested: rules('app:1'), remove: rules('*') };
    expect(verdictOn(record('app:1', { lastUsedMs: NOW_MS - MINUTE_MS }), policy)).toBe(
      'remove requested: "app:1" asks for it and nothing uses it',
    );
    expect(verdictOn(record('app:2'), policy)).toMatch(/^keep not-selected/);
  });

  it.each([
    ['a user', { users: [user] }, {}, 'in-use'],
    ['a pin', { pinned: true }, {}, 'pinned'],
    ['a keep rule', {}, { keep: rules('app') }, 'keep-rule'],
    ['the floor', { firstSeenMs: NOW_MS - SECOND_MS }, {}, 'just-appeared'],
  ])('but %s is stronger than any request', (_what, fields, policy, code) => {
    for (const asked of [{ requested: rules('app:1', '*') }, { remove: rules('*') }]) {
      expect(verdictOn(record('app:1', fields), { ...policy, ...asked })).toMatch(new RegExp(`^keep ${code}:`));
    }
  });
});

describe('a use that could not be resolved', () => {
  const unresolved: UnresolvedUse = { reference: 'registry.example/lost:1', user, why: 'the runtime did not answer' };

  it('keeps every image on the node, and says whose it is', () => {
    const images = [record('app:1'), record('app:2', { users: [user] }), record('x', { tags: [], namelessSinceMs: 0 })];
    const { keep, remove } = plan(
      { ...inventory(images), unresolved: [unresolved] },
      { ...usualPolicy, requested: rules('*'), floorMs: 0 },
      NOW_MS,
    );
    expect(remove).toEqual([]);
    expect(keep.map(({ code }) => code)).toEqual(['unknown-use', 'unknown-use', 'unknown-use']);
    expect(keep[0]?.reason).toBe(
      'container web of pod shop/web-7f uses "registry.example/lost:1", and which image that is could not be found out: the runtime did not answer',
    );
  });
});

describe('what goes, goes in order', () => {
  it('longest unused first, then by ID', () => {
    const images = [
      record('a', { lastUsedMs: NOW_MS - 8 * DAY_MS, firstSeenMs: 0 }),
      record('b', { lastUsedMs: undefined, firstSeenMs: NOW_MS - 9 * DAY_MS }),
      ...['c', 'd', 'e'].map((name) => record(name, { firstSeenMs: NOW_MS - 10 * DAY_MS })),
    ];
    const order = plan(inventory(images), usualPolicy, NOW_MS).remove.map(({ image }) => image.id);
    expect(order).toEqual([...['c', 'd', 'e'].map(idOf).sort(), idOf('b'), idOf('a')]);
  });

  it('until the budget of images is spent', () => {
    const images = [5, 3, 4, 1, 2].map((n) => record(`app:${n}`, { firstSeenMs: NOW_MS - (10 + n) * DAY_MS }));
    const { keep, remove } = plan(
      inventory(images),
      { ...usualPolicy, budget: { images: 2, bytes: undefined } },
      NOW_MS,
    );
    expect(remove.flatMap(({ image }) => image.tags)).toEqual(['app:5', 'app:4']);
    expect(keep.map(({ code, reason }) => `${code}: ${reason}`)).toEqual(
      Array(3).fill('over-budget: the budget of 2 images for one run is spent'),
    );
    expect(plan(inventory(images), { ...usualPolicy, budget: { images: 0, bytes: undefined } }, NOW_MS).remove).toEqual(
      [],
    );
  });

  it('until the budget of bytes is spent; one too large for it does not stop the others', () => {
    const images = [900, 50, 60, 40].map((size, n) =>
      record(`app:${n}`, { sizeBytes: size * 1024 ** 3, firstSeenMs: NOW_MS - (20 - n) * DAY_MS }),
    );
    const budget = { images: undefined, bytes: 100 * 1024 ** 3 };
    const { keep, remove } = plan(inventory(images), { ...usualPolicy, budget }, NOW_MS);
    expect(remove.flatMap(({ image }) => image.tags)).toEqual(['app:1', 'app:3']);
    expect(keep[0]?.reason).toBe('its 900 GiB do not fit into what is left of the budget of 100 GiB for one run');
  });
});
