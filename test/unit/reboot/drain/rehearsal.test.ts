import { beforeEach, describe, expect, it } from 'vitest';

import { type Rehearsal, rehearse } from '../../../../agent/reboot/drain/rehearsal.ts';
import type { DrainOptions } from '../../../../agent/reboot/drain/options.ts';
import { EmulatedCluster, kuredsDefaults } from './emulatedcluster.ts';

describe('the rehearsal of a drain', () => {
  let cluster: EmulatedCluster;

  beforeEach(async () => {
    cluster = await EmulatedCluster.create();
  });

  async function rehearsed(options: Partial<DrainOptions> = {}): Promise<Rehearsal> {
    const { port, clock } = cluster;
    const all = { ...kuredsDefaults, ...options };
    return await rehearse({ port, nodeName: 'node-1', options: all, clock }, new AbortController().signal);
  }

  it('finds nothing in the way, with one request for pods that are alike, and no effect', async () => {
    for (const name of ['a', 'b', 'c']) await cluster.pod(name);
    for (const name of ['d', 'e']) await cluster.pod(name, { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    expect(await rehearsed()).toEqual({ pods: 5, impossible: undefined, obstacles: [], warning: undefined });
    expect(cluster.evictions()).toEqual(['a', 'd']);
    expect(cluster.podNames()).toHaveLength(5);
    expect(cluster.ended).toEqual([]);
  });

  it('says what can never succeed', async () => {
    await cluster.pod('a', { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    const { impossible, obstacles } = await rehearsed();
    expect(impossible).toMatch(/^default\/a: PodDisruptionBudget default\/web never allows one to go/);
    expect(obstacles).toEqual([]);
  });

  it('says what is in the way now, and may be over by then', async () => {
    await cluster.pod('a', { labels: { app: 'web' } });
    await cluster.pod('b', { labels: { app: 'web' }, status: { phase: 'Running', conditions: [] } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    const { impossible, obstacles } = await rehearsed();
    expect(impossible).toBeUndefined();
    expect(obstacles).toEqual(['default/a: PodDisruptionBudget default/web wants 1 pods healthy and has 1']);
  });

  it('names both budgets of a pod that has two', async () => {
    await cluster.pod('a', { labels: { app: 'web' } });
    for (const name of ['one', 'two']) await cluster.budget(name, 'web', { minAvailable: 0 });
    expect((await rehearsed()).impossible).toMatch(/default\/one and default\/two both count it/);
  });

  it('says which pods may not go, and what is lost with those that may', async () => {
    await cluster.pod('bare', { metadata: { ownerReferences: [] } });
    await cluster.pod('data', { spec: { volumes: [{ name: 'data', emptyDir: {} }] } });
    expect((await rehearsed()).warning).toBe(
      'default/bare: nobody makes them again; default/data: the data in their emptyDir volumes is lost',
    );
    const { impossible } = await rehearsed({ evictUnmanaged: false, evictEmptyDir: false });
    expect(impossible).toContain('default/bare: nobody would make them again');
    expect(impossible).toContain('default/data: they keep data in emptyDir volumes');
  });
});
