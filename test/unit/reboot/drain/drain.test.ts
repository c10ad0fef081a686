import { beforeEach, describe, expect, it } from 'vitest';

import { budgets, pods } from '../../../../agent/cluster/objects.ts';
import { EmulatedCluster } from './emulatedcluster.ts';

describe('a drain', () => {
  let cluster: EmulatedCluster;

  beforeEach(async () => {
    cluster = await EmulatedCluster.create();
  });

  it('evicts what has to go, leaves the rest, and ends with a list', async () => {
    await cluster.daemonSet('agents');
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agents', uid: 'ds', controller: true };
    await cluster.pod('agent', { metadata: { ownerReferences: [owner] } });
    await cluster.pod('static', { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } });
    await cluster.pod('web-1');
    await cluster.pod('web-2');
    await cluster.pod('elsewhere', { spec: { nodeName: 'node-2' } });
    expect(await cluster.drained()).toEqual({ status: 'drained', gone: 2 });
    expect(cluster.podNames()).toEqual(['agent', 'elsewhere', 'static']);
    const lists = cluster.server.faults.arrivals.filter(({ user, verb }) => user === 'agent' && verb === 'list');
    expect(lists.map(({ resource }) => resource).toSorted()).toEqual([
      'daemonsets',
      'poddisruptionbudgets',
      'pods',
      'pods',
    ]);
  });

  it('waits for a budget, and asks again when it allows one more', async () => {
    for (const name of ['web-1', 'web-2', 'web-3']) await cluster.pod(name, { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 2 });
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(20_000);
    expect(cluster.podNames()).toHaveLength(2);
    expect(cluster.progress.at(-1)?.obstacles).toEqual([
      {
        code: 'budget',
        text: expect.stringMatching(/^default\/web-\d: PodDisruptionBudget default\/web /),
      },
    ]);
    await cluster.pod('web-4', { labels: { app: 'web' }, spec: { nodeName: 'node-2' } });
    await cluster.pod('web-5', { labels: { app: 'web' }, spec: { nodeName: 'node-2' } });
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 3 });
  });

  it('does not wait for pods that nobody will ever let go, but for the others', async () => {
    await cluster.pod('torn', { labels: { app: 'torn' } });
    await cluster.budget('one', 'torn', { minAvailable: 0 });
    await cluster.budget('other', 'torn', { minAvailable: 0 });
    await cluster.pod('web');
    const outcome = await cluster.drained();
    expect(outcome).toMatchObject({ status: 'stuck', obstacles: [{ code: 'several-budgets' }] });
    expect(cluster.evictions().toSorted()).toEqual(['torn', 'web']);
    expect(cluster.podNames()).toEqual(['torn']);
  });

  it('ends when its time is over, and says who is in the way', async () => {
    await cluster.pod('web', { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    const outcome = await cluster.drained({ timeoutMs: 60_000 });
    expect(outcome).toEqual({
      status: 'stuck',
      why: 'the time for the drain is over, 1 pods left',
      obstacles: [{ code: 'budget', text: expect.stringContaining('default/web never allows one to go') }],
    });
    expect(cluster.clock.monotonicMs()).toBeLessThan(62_000);
  });

  it('says that somebody has uncordoned the node', async () => {
    await cluster.uncordon();
    expect(await cluster.drained()).toEqual({ status: 'uncordoned' });
  });

  it('goes on when a budget is taken away', async () => {
    await cluster.pod('web', { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(2_000);
    await cluster.remove(budgets, 'web');
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 1 });
    expect(cluster.clock.monotonicMs()).toBeLessThan(10_000);
  });

  it('stops when asked to, with no request under way', async () => {
    await cluster.pod('web', { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    const stop = new AbortController();
    const running = cluster.drain().run(stop.signal);
    await cluster.clock.advance(2_000);
    stop.abort();
    expect(await cluster.clock.run(running)).toEqual({ status: 'stopped' });
    const before = cluster.server.faults.arrivals.length;
    await cluster.clock.advance(60_000);
    expect(cluster.server.faults.arrivals).toHaveLength(before);
    expect(cluster.server.watchCount).toBe(0);
  });

  it('leaves a pod of the same name alone that came in between', async () => {
    await cluster.pod('web-0');
    cluster.server.faults.add({
      matches: ({ subresource }) => subresource === 'eviction',
      times: 1,
      onRequest: () =>
        void cluster.remove(pods, 'web-0').then(() => cluster.pod('web-0', { spec: { nodeName: 'node-2' } })),
      latencyMs: 10,
    });
    expect(await cluster.drained()).toEqual({ status: 'drained', gone: 1 });
    expect(cluster.podNames()).toEqual(['web-0']);
  });
});
