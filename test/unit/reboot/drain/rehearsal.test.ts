import { beforeEach, describe, expect, it } from 'vitest';

import type { KubernetesPort } from '../../../../agent/cluster/port.ts';
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
    expect(await rehearsed()).toEqual({
      pods: 5,
      impossible: undefined,
      unanswered: undefined,
      obstacles: [],
    });
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

  it('finds a long grace in nobody’s way', async () => {
    await cluster.pod('db', { spec: { terminationGracePeriodSeconds: 7200 } });
    expect((await rehearsed()).impossible).toBeUndefined();
  });

  it('names both budgets of a pod that has two', async () => {
    await cluster.pod('a', { labels: { app: 'web' } });
    for (const name of ['one', 'two']) await cluster.budget(name, 'web', { minAvailable: 0 });
    expect((await rehearsed()).impossible).toMatch(/default\/one and default\/two both count it/);
  });

  it('says which pods may not go', async () => {
    await cluster.pod('bare', { metadata: { ownerReferences: [] } });
    await cluster.pod('data', { spec: { volumes: [{ name: 'data', emptyDir: {} }] } });
    expect((await rehearsed()).impossible).toBeUndefined();
    const { impossible } = await rehearsed({ evictUnmanaged: false, evictEmptyDir: false });
    expect(impossible).toContain('default/bare: nobody would make them again');
    expect(impossible).toContain('default/data: they keep data in emptyDir volumes');
  });

  describe('of pods that budgets of their own count, behind a slow webhook', () => {
    async function behindWebhook(budgets: number, answersAfterMs: number): Promise<Rehearsal> {
      const { port, clock } = cluster;
      for (let number = 0; number < budgets; number += 1) {
        await cluster.pod(`pod-${number}`, { labels: { app: `app-${number}` } });
        await cluster.budget(`budget-${number}`, `app-${number}`, { minAvailable: 0 });
      }
      const evict: KubernetesPort['evict'] = async (pod, options) => {
        await clock.sleep(answersAfterMs, options?.signal);
        await port.evict(pod, options);
      };
      const slow = { list: port.list.bind(port), evict };
      const context = { port: slow, nodeName: 'node-1', options: kuredsDefaults, clock };
      return await clock.run(rehearse(context, new AbortController().signal));
    }

    it('tries as many at a time as a drain would', async () => {
      const { unanswered } = await behindWebhook(40, 10_000);
      expect(unanswered).toBeUndefined();
      expect(cluster.evictions()).toHaveLength(40);
      expect(cluster.clock.monotonicMs()).toBeLessThan(45_000);
    });

    it('is over in two minutes, and says who has not answered', async () => {
      const { impossible, unanswered } = await behindWebhook(40, 50_000);
      expect(impossible).toBeUndefined();
      expect(unanswered).toMatch(/over within 120 s, but there is no answer for default\/pod-2\d, .* and 17 more/);
      expect(cluster.clock.monotonicMs()).toBeLessThan(125_000);
    });
  });
});
