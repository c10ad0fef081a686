import { describe, expect, it } from 'vitest';
import type { ImageRecord, Inventory, UnresolvedUse } from '../../../agent/images/inventory.ts';
import { plan } from '../../../agent/images/policy.ts';
import type { Policy } from '../../../agent/images/policy.ts';
import { parseRepositoryPattern, parseRule } from '../../../agent/images/rules.ts';
import {
  DAY_MS,
  digestOf,
  hexFor,
  HOUR_MS,
  idOf,
  MINUTE_MS,
  NOW_MS,
  record,
  SECOND_MS,
  user,
  usualPolicy,
} from './examples.ts';

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

describe('an image without a name', () => {
  const nameless = { tags: [], firstSeenMs: NOW_MS - HOUR_MS };

  it('is left alone while it may be half way through a pull or a removal', () => {
    for (const namelessSinceMs of [undefined, NOW_MS - 59 * SECOND_MS, NOW_MS + HOUR_MS]) {
      expect(verdictOn(record('x', { ...nameless, namelessSinceMs }), { requested: rules('*') })).toMatch(
        /^keep nameless-recently/,
      );
    }
  });

  it('is an orphan after a minute, and goes without waiting to be old', () => {
    const image = record('x', { ...nameless, namelessSinceMs: NOW_MS - 61 * SECOND_MS });
    expect(verdictOn(image)).toBe('remove orphan: it has had neither tag nor digest for 1 minute 1 second');
    expect(verdictOn(image, { removeUnused: false })).toMatch(/^remove orphan/);
  });

  it('waits like every unused image where orphans are not swept', () => {
    const image = record('x', { ...nameless, namelessSinceMs: NOW_MS - HOUR_MS });
    expect(verdictOn(image, { removeOrphans: false })).toMatch(/^keep used-recently/);
    expect(verdictOn({ ...image, firstSeenMs: NOW_MS - 8 * DAY_MS }, { removeOrphans: false })).toMatch(
      /^remove unused/,
    );
  });

  it('is no part of a request but by its ID or *', () => {
    const image = record('x', { ...nameless, namelessSinceMs: NOW_MS - HOUR_MS });
    expect(verdictOn(image, { requested: rules('app:*') })).toMatch(/^keep not-selected/);
    expect(verdictOn(image, { requested: rules(hexFor('x')) })).toMatch(/^remove requested/);
    expect(verdictOn(image, { requested: rules('*') })).toMatch(/^remove requested/);
    expect(verdictOn(image, { keep: rules(idOf('x')) })).toMatch(/^keep keep-rule/);
  });

  it('has a name when it is known by digest', () => {
    const image = record('x', { tags: [], digests: [`app@${digestOf('x')}`], firstSeenMs: NOW_MS - HOUR_MS });
    expect(verdictOn(image)).toMatch(/^keep used-recently/);
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

describe('the newest tags of a repository stay', () => {
  const daysOld = (days: number): Partial<ImageRecord> => ({ firstSeenMs: NOW_MS - days * DAY_MS });
  const newest = (count: number, repository = 'app'): Partial<Policy> => ({
    keepNewestTags: [{ repository: parseRepositoryPattern(repository), count }],
  });

  it('by version, not by name or age', () => {
    const images = ['app:1.9.0', 'app:1.10.0', 'app:v1.2.0', 'app:2.0.0-rc.1'].map((name, n) =>
      record(name, daysOld(20 + n)),
    );
    expect(keptBy(images, newest(2))).toEqual(['app:1.10.0', 'app:2.0.0-rc.1']);
  });

  it('with an age for tags that are no versions, which take no place from those that are', () => {
    const images = [
      record('app:1.0.0', daysOld(99)),
      record('app:0.9.0', daysOld(10)),
      record('app:main', daysOld(30)),
      record('app:feature', daysOld(40)),
    ];
    expect(keptBy(images, newest(1))).toEqual(['app:1.0.0', 'app:main']);
  });

  it('and tags of equal rank stay together', () => {
    const images = ['app:1.2', 'app:v1.2.0', 'app:1.1.0', 'app:main', 'app:next'].map((name) => record(name));
    expect(keptBy(images, newest(1))).toEqual(['app:1.2', 'app:v1.2.0', 'app:main', 'app:next']);
  });

  it('of each repository that the pattern means, and of no other', () => {
    const images = ['r.io/a:1', 'r.io/a:2', 'r.io/b:1', 'r.io/team/c:1', 'q.io/a:1'].map((name) => record(name));
    expect(keptBy(images, newest(1, 'r.io/*'))).toEqual(['r.io/a:2', 'r.io/b:1', 'r.io/team/c:1']);
    expect(keptBy(images, newest(0, 'r.io/*'))).toEqual([]);
  });

  it('an image with such a tag stays whole, and one in use takes a place', () => {
    const images = [
      record('old', { tags: ['app:1.0.0', 'app:3.0.0'] }),
      record('app:2.0.0', { users: [user] }),
      record('app:1.5.0'),
    ];
    const { keep } = plan(inventory(images), { ...usualPolicy, ...newest(2) }, NOW_MS);
    expect(keep.map(({ code, image }) => [code, image.tags.length])).toEqual([
      ['newest-tag', 2],
      ['in-use', 1],
    ]);
    expect(keep[0]?.reason).toBe('3.0.0 is one of the 2 newest tags of docker.io/library/app');
  });

  it('digest-only images have no tag to be new', () => {
    expect(keptBy([record('x', { tags: [], digests: [`app@${digestOf('x')}`] })], newest(9))).toEqual([]);
  });

  function keptBy(images: readonly ImageRecord[], policy: Partial<Policy>): string[] {
    const { keep } = plan(inventory(images), { ...usualPolicy, ...policy }, NOW_MS);
    expect(new Set(keep.map(({ code }) => code))).toEqual(new Set(keep.length > 0 ? ['newest-tag'] : []));
    return keep.flatMap(({ image }) => image.tags);
  }
});

describe('images that every node needs stay', () => {
  it.each([
    'registry.k8s.io/pause:3.10',
    'k8s.gcr.io/pause:3.6',
    'k8s.gcr.io/pause-amd64:3.1',
    'gcr.io/google_containers/pause-amd64:3.0',
    'gke.gcr.io/pause:3.8',
    'mcr.microsoft.com/oss/kubernetes/pause:3.6',
    'mcr.microsoft.com/oss/v2/kubernetes/pause:3.10.1',
    'rancher/mirrored-pause:3.6',
    'docker.io/rancher/mirrored-pause:3.6',
    'registry.rancher.com/rancher/mirrored-pause:3.6',
    'k8s.gcr.io/pause-arm64:3.1',
    '602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/pause:3.5',
    'registry.aliyuncs.com/google_containers/pause:3.9',
    'registry.mirror.example:5000/k8s/pause:3.9',
    'quay.io/openshift/origin-pod:4.0',
    'registry.redhat.io/openshift4/ose-pod:v4.14',
    'ghcr.io/nodetender/nodetender:0.1.0',
  ])('%s', (name) => {
    for (const image of [
      record(name),
      record('x', { tags: [], digests: [`${name.replace(/:[^/]*$/, '')}@${digestOf(name)}`] }),
    ]) {
      expect(verdictOn(image, { minUnusedMs: 0, requested: rules('*') })).toMatch(/^keep system: nodes need it/);
      expect(verdictOn(image, { keepSystemImages: false })).toMatch(/^remove unused/);
    }
  });

  it.each(['pauser:1', 'team/unpause:1', 'pause-stop/app:1', 'team/nodetender-demo:1'])('but not %s', (name) => {
    expect(verdictOn(record(name))).toMatch(/^remove/);
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

function rules(...texts: string[]): Policy['keep'] {
  return texts.map((text) => parseRule(text));
}

function inventory(images: readonly ImageRecord[]): Inventory {
  return { takenAtMs: NOW_MS, images, unresolved: [], podsUnchangedMs: 0 };
}

/** `keep pinned: the container runtime pins it` */
function verdictOn(image: ImageRecord, policy: Partial<Policy> = {}): string {
  const { keep, remove } = plan(inventory([image]), { ...usualPolicy, ...policy }, NOW_MS);
  const [decision, ...others] = [...keep, ...remove];
  expect(others).toEqual([]);
  return decision ? `${decision.verdict} ${decision.code}: ${decision.reason}` : 'no decision';
}
