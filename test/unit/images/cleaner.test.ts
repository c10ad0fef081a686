import { describe, expect, it } from 'vitest';

import { paceOf } from '../../../agent/images/pace.ts';
import type { Report } from '../../../agent/images/report.ts';
import { parseRule } from '../../../agent/images/rules.ts';
import type { RunDisk } from '../../../agent/images/runner.ts';
import { EmulatedNode, type NodeOptions } from '../../emulators/node.ts';
import { measuredCost } from '../../emulators/runtime/garbage-collector.ts';
import type { RuntimeStore } from '../../emulators/runtime/store.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, usualPolicy } from './examples.ts';

const unavailable = { code: 14, details: 'connection refused' };
const internal = { code: 13, details: 'the snapshotter is upset' };

/** A node with so many images that nothing has used for ten days: docker.io/library/old:0, old:1 and so on. */
async function nodeWithOld(count: number, options: NodeOptions = {}): Promise<EmulatedNode> {
  const node = await EmulatedNode.create(options);
  for (let index = 0; index < count; index += 1) node.store.addImage({ tags: [oldTag(index)] });
  await node.age(10 * DAY_MS);
  return node;
}

function oldTag(index: number): string {
  return `docker.io/library/old:${index}`;
}

function idOf(node: EmulatedNode, tag: string): string {
  return node.store.resolve(tag)?.id ?? '';
}

function counts({ outcome, removed, skipped, failed }: Report): readonly (string | number)[] {
  return [outcome, removed.length, skipped.length, failed.length];
}

describe('a run', () => {
  it('removes what nothing has used for long enough, longest unused first, by full IDs, and keeps the rest', async () => {
    const node = await EmulatedNode.create();
    const older = node.store.addImage({ tags: ['docker.io/library/older:1'] });
    const used = node.store.addImage({ tags: ['docker.io/library/used:1'] });
    node.store.createContainer({ image: used });
    await node.age(DAY_MS);
    const old = node.store.addImage({ tags: ['docker.io/library/old:1'] });
    await node.age(8 * DAY_MS);
    const young = node.store.addImage({ tags: ['docker.io/library/young:1'] });
    const report = await node.clean(usualPolicy);
    expect(counts(report)).toEqual(['done', 2, 0, 0]);
    expect(node.removeCalls()).toEqual([older, old]);
    expect([...node.store.images.keys()]).toEqual([used, young]);
    expect(report.removed[0]).toMatchObject({ id: older, name: 'docker.io/library/older:1', code: 'unused' });
  });

  it('tells of each image once it is gone, also of one whose answer was lost', async () => {
    const node = await nodeWithOld(3);
    node.faults.add({ methods: ['RemoveImage'], times: 1, after: 1, cut: true });
    const told: string[] = [];
    const report = await node.clean(usualPolicy, { onRemoved: ({ image }) => told.push(image.id) });
    expect(told.toSorted()).toEqual(report.removed.map(({ id }) => id).toSorted());
    expect(told).toHaveLength(3);
  });

  it('says how far it is', async () => {
    const node = await nodeWithOld(3);
    node.faults.add({ methods: ['RemoveImage'], times: 1, error: internal });
    const seen: unknown[] = [];
    await node.clean(usualPolicy, { onProgress: (progress) => seen.push(progress) });
    expect(seen).toHaveLength(3);
    expect(seen.at(-1)).toEqual({ planned: 3, removed: 2, skipped: 0, failed: 1 });
  });

  it('removes no more than its budget', async () => {
    const node = await nodeWithOld(10);
    const report = await node.clean({ ...usualPolicy, budget: { images: 4, bytes: undefined } }, twoAtATime);
    expect(counts(report)).toEqual(['done', 4, 0, 0]);
    expect(node.store.images.size).toBe(6);
  });
});

describe('what changes during a run', () => {
  it('an image that a container begins to use before its burst stays', async () => {
    const node = await nodeWithOld(4);
    node.faults.add({
      methods: ['RemoveImage'],
      after: 1,
      times: 1,
      onCall: () => node.store.createContainer({ image: 'old:3', name: 'late', pod: null }),
    });
    const report = await node.clean(usualPolicy, twoAtATime);
    expect(counts(report)).toEqual(['done', 3, 1, 0]);
    expect(report.skipped).toEqual([
      { id: idOf(node, 'old:3'), name: expect.any(String), why: 'container late uses it' },
    ]);
    expect(node.store.removals.flatMap(({ usedBy }) => usedBy)).toEqual([]);
  });

  it('an image that appears stays, however the policy reads', async () => {
    const node = await nodeWithOld(4);
    const atOnce = { ...usualPolicy, minUnusedMs: 0, floorMs: 0 };
    onFirstRemoval(node, (store) => store.addImage({ tags: ['docker.io/library/new:1'] }));
    const report = await node.clean(atOnce, twoAtATime);
    expect(counts(report)).toEqual(['done', 4, 0, 0]);
    expect([...node.store.images.values()].flatMap(({ tags }) => tags)).toEqual(['docker.io/library/new:1']);
  });

  it('a keep rule that is loaded meanwhile holds at once', async () => {
    const node = await nodeWithOld(4);
    let policy = usualPolicy;
    onFirstRemoval(node, () => (policy = { ...usualPolicy, keep: [parseRule('old:*')] }));
    const report = await node.clean(usualPolicy, { ...twoAtATime, policy: () => policy });
    expect(counts(report)).toEqual(['done', 2, 2, 0]);
    expect(report.skipped[0]?.why).toContain('keep rule');
  });

  it('an image that somebody else removed is skipped', async () => {
    const node = await nodeWithOld(4);
    onFirstRemoval(node, (store) => store.images.delete(idOf(node, lastToGo(node))));
    const report = await node.clean(usualPolicy, twoAtATime);
    expect(counts(report)).toEqual(['done', 3, 1, 0]);
    expect(report.skipped[0]?.why).toBe('it was gone already');
  });

  it('an image that was seen gone and is pulled again was removed, and came back: no failure, no back-off', async () => {
    const node = await nodeWithOld(6);
    const gone = firstToGo(node);
    const pull = (): unknown => node.store.addImage({ tags: [gone.tag] });
    // Two went in the first burst; the look before the second saw it.
    node.faults.add({ methods: ['RemoveImage'], after: 2, times: 1, onCall: () => void pull() });
    const report = await node.clean(usualPolicy, twoAtATime);
    expect(counts(report)).toEqual(['done', 6, 0, 0]);
    expect(report.removed.filter(({ cameBack }) => cameBack).map(({ id }) => id)).toEqual([gone.id]);
    expect(node.store.images.has(gone.id)).toBe(true);
    expect(node.history.of(gone.id).failure).toBeUndefined();
  });

  it('an image that is pulled again before any look saw it gone counts as failed: it cannot be told from one that stayed', async () => {
    const node = await nodeWithOld(2);
    const gone = firstToGo(node);
    const send = node.port.removeImage.bind(node.port);
    node.port.removeImage = async (id) => {
      await send(id);
      if (id === gone.id) node.store.addImage({ tags: [gone.tag] });
    };
    expect(counts(await node.clean(usualPolicy))).toEqual(['done', 1, 0, 1]);
  });

  it('a use that cannot be explained ends all removals', async () => {
    const user = { kind: 'pod', pod: { namespace: 'shop', name: 'web', uid: 'u' } } as const;
    let isNamed = false;
    const node = await nodeWithOld(4, { sources: [async () => (isNamed ? [{ reference: 'gone:1', user }] : [])] });
    node.faults.add({ methods: ['ImageStatus'], error: internal });
    onFirstRemoval(node, () => (isNamed = true));
    const report = await node.clean(usualPolicy, twoAtATime);
    expect(counts(report)).toEqual(['done', 2, 2, 0]);
    expect(report.skipped[0]?.why).toContain('snapshotter is upset');
  });

  it('but one that is explained a moment later does not', async () => {
    const user = { kind: 'pod', pod: { namespace: 'shop', name: 'web', uid: 'u' } } as const;
    const node = await nodeWithOld(4, { sources: [async () => [{ reference: 'gone:1', user }]] });
    node.faults.add({ methods: ['ImageStatus'], times: 2, error: internal });
    expect(counts(await node.clean(usualPolicy))).toEqual(['done', 4, 0, 0]);
  });
});

describe('what the runtime answers', () => {
  it('a refusal because a container uses the image is a skip', async () => {
    const node = await nodeWithOld(2, { kind: 'cri-o' });
    onFirstRemoval(node, (store) => store.createContainer({ image: lastToGo(node) }));
    const report = await node.clean(usualPolicy);
    expect(counts(report)).toEqual(['done', 1, 1, 0]);
    expect(report.skipped[0]?.why).toContain('refuses');
  });

  it('an error is counted, the others go, and the image waits out its back-off', async () => {
    const node = await nodeWithOld(3);
    node.faults.add({ methods: ['RemoveImage'], argument: idOf(node, 'old:1'), times: 1, error: internal });
    const report = await node.clean(usualPolicy);
    expect(counts(report)).toEqual(['done', 2, 0, 1]);
    expect(report.failed[0]).toMatchObject({ name: oldTag(1), message: expect.stringContaining('upset') });

    await node.restartAgent();
    const soon = await node.clean(usualPolicy);
    expect([counts(soon), soon.plan.keep[0]?.code]).toEqual([['done', 0, 0, 0], 'backing-off']);
    await node.age(11 * MINUTE_MS);
    expect(counts(await node.clean(usualPolicy))).toEqual(['done', 1, 0, 0]);
  });

  it('no answer although the work is done counts as removed', async () => {
    const node = await nodeWithOld(3);
    node.faults.add({ methods: ['RemoveImage'], times: 1, cut: true });
    expect(counts(await node.clean(usualPolicy))).toEqual(['done', 3, 0, 0]);
  });

  it('a good answer while the image is listed still counts as failed', async () => {
    const node = await nodeWithOld(2, {
      wrap: (port) => ({
        ...port,
        removeImage: async (id) => (id === idOf(node, 'old:0') ? undefined : await port.removeImage(id)),
      }),
    });
    const report = await node.clean(usualPolicy);
    expect(counts(report)).toEqual(['done', 1, 0, 1]);
    expect(report.failed[0]?.message).toContain('lists it still');
    expect(node.history.of(idOf(node, 'old:0')).failure).toMatchObject({ count: 1 });
  });
});

describe('a runtime that goes away', () => {
  it('for a moment costs nothing: cut calls are tried once more', async () => {
    const node = await nodeWithOld(6);
    node.faults.add({ methods: ['RemoveImage'], after: 2, times: 2, error: unavailable });
    node.faults.add({ methods: ['ListImages'], after: 2, times: 3, error: unavailable });
    expect(counts(await node.clean(usualPolicy, twoAtATime))).toEqual(['done', 6, 0, 0]);
    expect(node.removeCalls()).toHaveLength(8);
  });

  it('in the middle of a burst leaves no image unaccounted for, and the next run clears what is left', async () => {
    const node = await nodeWithOld(6, { cost: measuredCost });
    const run = node.startRun(usualPolicy, { pace: paceOf({ burst: 3, pauseMs: 0, slowCallMs: 2000 }) });
    await node.clock.advance(1);
    node.store.crash();
    const report = await node.clock.run(run);
    expect(report.removed.length + report.failed.length).toBe(6);
    await node.age(HOUR_MS);
    await node.clean(usualPolicy);
    expect(node.store.images.size).toBe(0);
  });

  it('for good ends the run after half a minute, with every image accounted for', async () => {
    const node = await nodeWithOld(6);
    onFirstRemoval(node, () => node.faults.add({ error: unavailable }));
    const startMs = node.clock.monotonicMs();
    const report = await node.clean(usualPolicy, twoAtATime);
    expect(report.outcome).toBe('failed');
    expect(report.error).toContain('connection refused');
    expect(report.removed.length + report.skipped.length + report.failed.length).toBe(6);
    expect(node.clock.monotonicMs() - startMs).toBeLessThan(2 * MINUTE_MS);
  });

  it('costs the images whose calls it cut off no back-off: the next run tries them again', async () => {
    const node = await nodeWithOld(2);
    // Cut off twice, which is as often as one run tries.
    node.faults.add({ methods: ['RemoveImage'], times: 4, error: unavailable });
    expect(counts(await node.clean(usualPolicy))).toEqual(['failed', 0, 0, 2]);
    expect(counts(await node.clean(usualPolicy))).toEqual(['done', 2, 0, 0]);
  });

  it('for removals only fails the run also when all images fit into one burst', async () => {
    const node = await nodeWithOld(3);
    node.faults.add({ methods: ['RemoveImage'], error: internal });
    const report = await node.clean(usualPolicy);
    expect(counts(report)).toEqual(['failed', 0, 0, 3]);
    expect(report.error).toContain('no image went; the last error: ');
  });

  it('for removals only ends the run after three bursts in which nothing went', async () => {
    const node = await nodeWithOld(20);
    node.faults.add({ methods: ['RemoveImage'], error: internal });
    const report = await node.clean(usualPolicy, twoAtATime);
    expect(counts(report)).toEqual(['failed', 0, 14, 6]);
    expect(report.error).toContain('upset');
  });
});

describe('a run that is stopped', () => {
  it('lets the calls in flight finish, sends no more, and looks once more at what went', async () => {
    const node = await nodeWithOld(6);
    const stop = new AbortController();
    node.faults.add({ methods: ['RemoveImage'], latencyMs: 5000 });
    const run = node.startRun(usualPolicy, { ...twoAtATime, signal: stop.signal });
    await node.clock.advance(1000);
    stop.abort();
    const report = await node.clock.run(run);
    expect(counts(report)).toEqual(['stopped', 2, 4, 0]);
    expect(node.removeCalls()).toHaveLength(2);
    expect(report.skipped[0]?.why).toContain('stopped');
    expect(report.error).toBeUndefined();
  });

  it('during a pause does not wait for its end', async () => {
    const node = await nodeWithOld(4);
    const stop = new AbortController();
    const pace = paceOf({ burst: 2, pauseMs: HOUR_MS, slowCallMs: 2000 });
    const run = node.startRun(usualPolicy, { pace, signal: stop.signal });
    await node.clock.advance(1000);
    stop.abort();
    const startMs = node.clock.monotonicMs();
    expect(counts(await node.clock.run(run))).toEqual(['stopped', 2, 2, 0]);
    expect(node.clock.monotonicMs()).toBe(startMs);
  });

  it('while it waits for a runtime that is away ends at once', async () => {
    const node = await nodeWithOld(4);
    const stop = new AbortController();
    onFirstRemoval(node, () => node.faults.add({ methods: ['ListImages'], error: unavailable }));
    const run = node.startRun(usualPolicy, { ...twoAtATime, signal: stop.signal });
    await node.clock.advance(1500);
    stop.abort();
    const report = await node.clock.run(run);
    expect([report.outcome, report.skipped.length]).toEqual(['stopped', 2]);
    expect(report.error).toContain('could not be verified');
  });
});

describe('a run that a watermark set off', () => {
  /** A disk of so many images' size, 10 MB each. */
  function disk(store: RuntimeStore, images: number, stopBelowPercent: number): RunDisk {
    return {
      stopBelowPercent,
      measure: async () => {
        const totalBytes = images * 10_000_000;
        const usedBytes = store.diskUsedBytes();
        return {
          totalBytes,
          usedBytes,
          freeBytes: totalBytes - usedBytes,
          usedPercent: (usedBytes / totalBytes) * 100,
        };
      },
    };
  }

  it('stops when the disk is below the lower watermark', async () => {
    const node = await nodeWithOld(10);
    const report = await node.clean(usualPolicy, { ...twoAtATime, disk: disk(node.store, 10, 65) });
    expect(counts(report)).toEqual(['enough', 4, 6, 0]);
    expect(report.skipped[0]?.why).toBe('disk use fell to 60.0 %, below 65 %');
    expect(report.measuredFreedBytes).toBe(40_000_000);
  });

  it('removes nothing when it cannot measure the disk', async () => {
    const node = await nodeWithOld(2);
    const measure = async (): Promise<never> => {
      throw new Error('no such directory');
    };
    const report = await node.clean(usualPolicy, { disk: { measure, stopBelowPercent: 80 } });
    expect(counts(report)).toEqual(['failed', 0, 2, 0]);
    expect(report.error).toContain('no such directory');
  });
});

describe('the pace', () => {
  it('keeps a burst in flight at most, and rests after it half as long as it took while no pod comes or goes', async () => {
    const node = await nodeWithOld(150, { cost: { collectionMs: 800, perImageMs: 0 } });
    const bursts = watchBursts(node);
    await node.clean(usualPolicy);
    expect(bursts()).toEqual([
      [0, 64],
      [1200, 64],
      [2400, 22],
    ]);
  });

  it('rests three times as long as the burst took once a look has shown that a pod came', async () => {
    const node = await nodeWithOld(150, { cost: { collectionMs: 800, perImageMs: 0 } });
    const bursts = watchBursts(node);
    onFirstRemoval(node, (store) =>
      store.createContainer({ image: store.addImage({ tags: ['docker.io/library/new:1'] }) }),
    );
    await node.clean(usualPolicy);
    expect(bursts()).toEqual([
      [0, 64],
      [1200, 64],
      [1200 + 800 + 2400, 22],
    ]);
  });

  it('slows down while calls are slow, and recovers', async () => {
    const node = await nodeWithOld(40);
    const bursts = watchBursts(node);
    node.faults.add({ methods: ['RemoveImage'], times: 24, latencyMs: 5000 });
    await node.clean(usualPolicy, { pace: paceOf({ burst: 16, pauseMs: 100, slowCallMs: 2000 }) });
    expect(bursts().map(([, size]) => size)).toEqual([16, 8, 4, 4, 8]);
  });
});

/** When each burst was sent, in milliseconds since the first, and how many calls it had. */
function watchBursts(node: EmulatedNode): () => number[][] {
  const sentAtMs: number[] = [];
  const send = node.port.removeImage.bind(node.port);
  node.port.removeImage = async (id) => {
    sentAtMs.push(node.clock.monotonicMs());
    await send(id);
  };
  return () =>
    [...Map.groupBy(sentAtMs, (atMs) => atMs - (sentAtMs[0] ?? 0))].map(([atMs, calls]) => [atMs, calls.length]);
}

const twoAtATime = { pace: paceOf({ burst: 2, pauseMs: 100, slowCallMs: 2000 }) };

function onFirstRemoval(node: EmulatedNode, change: (store: RuntimeStore) => unknown): void {
  node.faults.add({ methods: ['RemoveImage'], times: 1, onCall: () => void change(node.store) });
}

function firstToGo(node: EmulatedNode): { readonly id: string; readonly tag: string } {
  const [first] = [...node.store.images.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { id: first?.id ?? '', tag: first?.tags[0] ?? '' };
}

/** The tag of the image that goes last: of the same age, they go by ID. */
function lastToGo(node: EmulatedNode): string {
  const [last] = [...node.store.images.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  return last?.tags[0] ?? '';
}
