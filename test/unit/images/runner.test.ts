import { describe, expect, it } from 'vitest';

import type { Inventory } from '../../../agent/images/inventory.ts';
import type { RunDisk } from '../../../agent/images/runner.ts';
import { EmulatedNode } from '../../emulators/node.ts';
import { DAY_MS, usualPolicy } from './examples.ts';

async function nodeWithOld(count: number): Promise<EmulatedNode> {
  const node = await EmulatedNode.create();
  const base = { id: 'base', sizeBytes: 50_000_000 };
  for (let index = 0; index < count; index += 1) {
    const own = { id: `own ${index}`, sizeBytes: 1_000_000 };
    node.store.addImage({ tags: [`docker.io/library/old:${index}`], sizeBytes: 20_000_000, layers: [base, own] });
  }
  await node.age(10 * DAY_MS);
  return node;
}

function diskOf({ store }: EmulatedNode): RunDisk {
  const totalBytes = 1_000_000_000;
  return {
    measure: async () => {
      const usedBytes = store.diskUsedBytes();
      return { totalBytes, usedBytes, freeBytes: totalBytes - usedBytes, usedPercent: (usedBytes / totalBytes) * 100 };
    },
  };
}

describe('a dry run', () => {
  it('plans as a run does, and removes nothing', async () => {
    const node = await nodeWithOld(3);
    const report = await node.clean(usualPolicy, { dryRun: true, trigger: 'command', disk: diskOf(node) });
    expect(report).toMatchObject({ trigger: 'command', dryRun: true, outcome: 'done', removed: [], skipped: [] });
    expect(report.plan.remove).toHaveLength(3);
    expect(report.measuredFreedBytes).toBeUndefined();
    expect([node.removeCalls(), node.store.images.size]).toEqual([[], 3]);
  });
});

describe('a run', () => {
  it('makes no image older by a jump of the clock between its look and its plan', async () => {
    const node = await EmulatedNode.create();
    node.store.addImage({ tags: ['docker.io/library/new:1'] });
    const gather = async (): Promise<Inventory> => {
      const inventory = await node.gatherer.gather();
      node.clock.jump(30 * DAY_MS);
      return inventory;
    };
    const report = await node.clean({ ...usualPolicy, minUnusedMs: 0 }, { gatherer: { gather } });
    expect([report.plan.keep[0]?.code, node.removeCalls()]).toEqual(['just-appeared', []]);
  });
});

describe('the report', () => {
  it('gives what the disk says and what the sizes say, which differ: layers are shared and sizes compressed', async () => {
    const node = await nodeWithOld(3);
    node.store.createContainer({ image: 'old:0' });
    const report = await node.clean(usualPolicy, { disk: diskOf(node) });
    expect(report.estimatedFreedBytes).toBe(40_000_000);
    expect(report.measuredFreedBytes).toBe(2_000_000);
  });

  it('leaves the measured bytes out where the disk cannot be measured', async () => {
    const node = await nodeWithOld(1);
    const measure = async (): Promise<never> => {
      throw new Error('no statfs');
    };
    const report = await node.clean(usualPolicy, { disk: { measure } });
    expect(report).toMatchObject({ outcome: 'done', measuredFreedBytes: undefined });
    expect(report.removed).toHaveLength(1);
  });

  it('tells when the run began and how long it took, by a clock that does not jump', async () => {
    const node = await nodeWithOld(1);
    const startedAtMs = node.clock.nowMs();
    node.faults.add({ methods: ['RemoveImage'], latencyMs: 3000, onCall: () => node.clock.jump(-DAY_MS) });
    const report = await node.clean(usualPolicy);
    expect([report.startedAtMs, report.durationMs]).toEqual([startedAtMs, 3000]);
  });
});

describe('a run that cannot begin', () => {
  it('because the runtime does not answer says so after about half a minute', async () => {
    const node = await nodeWithOld(1);
    node.faults.add({ error: { code: 14, details: 'connection refused' } });
    const report = await node.clean(usualPolicy);
    expect(report).toMatchObject({ outcome: 'failed', error: expect.stringContaining('connection refused') });
    expect(report.plan).toMatchObject({ keep: [], remove: [] });
    expect(report.durationMs).toBe(31_000);
  });

  it('because the runtime is being restarted waits for it', async () => {
    const node = await nodeWithOld(1);
    node.faults.add({ methods: ['ListImages'], times: 3, error: { code: 14, details: 'connection refused' } });
    const report = await node.clean(usualPolicy);
    expect([report.outcome, report.removed.length, report.durationMs]).toEqual(['done', 1, 7000]);
  });

  it('because it was stopped before does nothing, and is no failure', async () => {
    const node = await nodeWithOld(1);
    const report = await node.clean(usualPolicy, { signal: AbortSignal.abort() });
    expect(report).toMatchObject({ outcome: 'stopped', error: undefined, removed: [] });
  });
});

describe('the history', () => {
  it('is saved at the end, so that failures are remembered by the next process', async () => {
    const node = await nodeWithOld(1);
    const [id = ''] = node.store.images.keys();
    node.faults.add({ methods: ['RemoveImage'], error: { code: 13, details: 'no' } });
    await node.clean(usualPolicy);
    await node.restartAgent();
    expect(node.history.of(id).failure).toMatchObject({ count: 1 });
  });
});
