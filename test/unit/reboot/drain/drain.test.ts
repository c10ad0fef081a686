import { beforeEach, describe, expect, it } from 'vitest';

import type { DrainContext } from '../../../../agent/reboot/drain/drain.ts';
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

  it('names who comes back to the node for as long as it tries', async () => {
    let comings = 1;
    cluster.server.store.listen(({ storedAs, type }) => {
      if (storedAs !== 'pods' || type !== 'DELETED') return;
      comings += 1;
      void cluster.pod(`web-${comings}`);
    });
    await cluster.pod('web-1');
    expect(await cluster.drained({ timeoutMs: 60_000 })).toMatchObject({
      status: 'stuck',
      why: expect.stringMatching(/when all had gone, default\/web-\d+ came: pods that tolerate the cordon/),
    });
    expect(cluster.evictions().length).toBeLessThan(10);
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
        text: expect.stringMatching(/^default\/web-\d, default\/web-\d: PodDisruptionBudget default\/web /),
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
      why: 'the time for the drain is over, pods left: 1',
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

  it('does not end before its requests have', async () => {
    await cluster.pod('web');
    const { port, clock } = cluster;
    let answered = false;
    const slow: DrainContext['port'] = {
      get: (resource, target, options) => port.get(resource, target, options),
      list: (resource, scope, project, options) => port.list(resource, scope, project, options),
      watch: (resource, scope, from, options) => port.watch(resource, scope, from, options),
      lastHeardMs: () => port.lastHeardMs(),
      evict: async () => {
        await clock.sleep(10_000);
        answered = true;
      },
    };
    const stop = new AbortController();
    const running = cluster.drain({}, slow).run(stop.signal);
    await clock.advance(1_000);
    stop.abort();
    expect(await clock.run(running)).toEqual({ status: 'stopped' });
    expect(answered).toBe(true);
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
    expect(cluster.ended).toEqual([]);
  });

  it('does not ask a budget that has nothing left', async () => {
    for (const name of ['web-1', 'web-2']) await cluster.pod(name, { labels: { app: 'web' } });
    await cluster.pod('web-3', { labels: { app: 'web' }, spec: { nodeName: 'node-2' } });
    await cluster.budget('web', 'web', { minAvailable: 2 });
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(3_000);
    expect(cluster.evictions()).toHaveLength(1);
    await cluster.pod('web-4', { labels: { app: 'web' }, spec: { nodeName: 'node-2' } });
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 2 });
    expect(cluster.evictions()).toHaveLength(2);
    // As soon as there was room again, and not after the five seconds of a refusal.
    expect(cluster.clock.monotonicMs()).toBeLessThan(5_000);
  });

  it('leaves every pod where it is when one may not go', async () => {
    await cluster.pod('web');
    await cluster.pod('bare', { metadata: { ownerReferences: [] } });
    expect(await cluster.drained({ evictUnmanaged: false })).toEqual({
      status: 'refused',
      why: expect.stringContaining('default/bare'),
    });
    expect(cluster.evictions()).toEqual([]);
  });

  it('lets critical pods go when the others are gone', async () => {
    await cluster.pod('dns', { spec: { priority: 2_000_000_000 } });
    await cluster.pod('web-1');
    await cluster.pod('web-2');
    expect(await cluster.drained()).toEqual({ status: 'drained', gone: 3 });
    expect(cluster.ended.at(-1)).toBe('dns');
    // The others take a second to end.
    expect(cluster.clock.monotonicMs()).toBeGreaterThanOrEqual(2_000);
  });

  it('evicts pods that come while it lasts', async () => {
    cluster.stuck.add('web-1');
    await cluster.pod('web-1');
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(5_000);
    await cluster.pod('late');
    await cluster.clock.advance(5_000);
    expect(cluster.podNames()).toEqual(['web-1']);
    await cluster.remove(pods, 'web-1');
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 2 });
  });

  it('leaves a pod alone whose DaemonSet has come while it lasts', async () => {
    const owner = (name: string) => [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid: name, controller: true }];
    await cluster.daemonSet('first');
    await cluster.pod('agent-1', { metadata: { ownerReferences: owner('first') } });
    cluster.stuck.add('web');
    await cluster.pod('web');
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(5_000);
    await cluster.daemonSet('second');
    await cluster.pod('agent-2', { metadata: { ownerReferences: owner('second') } });
    await cluster.clock.advance(5_000);
    await cluster.remove(pods, 'web');
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 1 });
    expect(cluster.podNames()).toEqual(['agent-1', 'agent-2']);
  });

  it('sees the pods alone that are selected', async () => {
    await cluster.pod('web', { labels: { app: 'web' } });
    await cluster.pod('api', { labels: { app: 'api' } });
    expect(await cluster.drained({ podSelector: 'app=web' })).toEqual({ status: 'drained', gone: 1 });
    expect(cluster.podNames()).toEqual(['api']);
  });

  it('asks for as many evictions at a time as it may', async () => {
    for (let count = 0; count < 9; count += 1) await cluster.pod(`web-${count}`);
    const isEviction = ({ subresource }: { readonly subresource: string }): boolean => subresource === 'eviction';
    cluster.server.faults.add({ matches: isEviction, latencyMs: 100 });
    expect(await cluster.drained({ parallelism: 3 })).toEqual({ status: 'drained', gone: 9 });
    const times = cluster.server.faults.arrivals.filter(isEviction).map(({ atMs }) => atMs);
    for (const atMs of times)
      expect(times.filter((other) => other >= atMs && other < atMs + 100).length).toBeLessThanOrEqual(3);
  });

  it('gives a pod up after its time, and goes on with the others', async () => {
    cluster.stuck.add('hangs');
    await cluster.pod('hangs');
    await cluster.pod('web');
    expect(await cluster.drained({ podTimeoutMs: 60_000 })).toEqual({
      status: 'stuck',
      why: 'some pods cannot be evicted, pods left: 1',
      obstacles: [{ code: 'timed-out', text: 'default/hangs: not gone within 60 s: it is still ending' }],
    });
    expect(cluster.podNames()).toEqual(['hangs']);
    expect(cluster.clock.monotonicMs()).toBeLessThan(62_000);
  });

  it('does not wait for ever for a pod that should have ended', async () => {
    cluster.stuck.add('hangs');
    await cluster.pod('hangs', { spec: { terminationGracePeriodSeconds: 10 } });
    expect(await cluster.drained({ skipTerminatingAfterSeconds: 20 })).toMatchObject({ status: 'drained' });
    expect(cluster.clock.monotonicMs()).toBeGreaterThanOrEqual(31_000);
    expect(cluster.clock.monotonicMs()).toBeLessThan(33_000);
  });
});

describe('a drain on a bad day', () => {
  let cluster: EmulatedCluster;

  beforeEach(async () => {
    cluster = await EmulatedCluster.create();
    await cluster.pod('web');
  });

  const isEviction = ({ subresource }: { readonly subresource: string }): boolean => subresource === 'eviction';

  it.each([
    ['an answer that is lost', { cut: 'after', times: 1 }],
    ['a connection that is cut', { cut: 'before', times: 1 }],
    ['an API server that is away', { refuse: { status: 503 }, times: 20 }],
    ['an API server that has too much to do', { refuse: { status: 429, retryAfterSeconds: 7 }, times: 10 }],
    ['a webhook that fails for a while', { refuse: { status: 500 }, times: 4 }],
    ['a token that is refused for a while', { refuse: { status: 401 }, times: 4 }],
  ] as const)('succeeds after %s', async (_name, fault) => {
    cluster.server.faults.add({ matches: isEviction, ...fault });
    expect(await cluster.drained()).toEqual({ status: 'drained', gone: 1 });
  });

  it('does not ask a webhook that always fails for ever', async () => {
    cluster.server.faults.add({ matches: isEviction, refuse: { status: 500 } });
    expect(await cluster.drained()).toMatchObject({ status: 'stuck', obstacles: [{ code: 'no-answer' }] });
    expect(cluster.evictions()).toHaveLength(5);
  });

  it('says which permission is missing', async () => {
    expect(await cluster.drained({}, cluster.portOf('nobody'))).toEqual({
      status: 'refused',
      why: expect.stringContaining('"list" on pods'),
    });
  });

  it('needs no view of the budgets', async () => {
    cluster.server.access.grant('plain', [
      { groups: ['', 'apps'], resources: ['pods', 'daemonsets', 'nodes'], verbs: ['get', 'list', 'watch'] },
      { groups: [''], resources: ['pods/eviction'], verbs: ['create'] },
    ]);
    await cluster.pod('other', { labels: { app: 'web' } });
    await cluster.budget('web', 'web', { minAvailable: 1 });
    const outcome = await cluster.drained({ timeoutMs: 60_000 }, cluster.portOf('plain'));
    expect(outcome).toMatchObject({
      status: 'stuck',
      obstacles: [{ code: 'budget', text: expect.stringMatching(/disruption budget/) }],
    });
    expect(cluster.podNames()).toEqual(['other']);
  });

  it('sees the end of pods whose watch is cut or forgotten', async () => {
    cluster.stuck.add('web');
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(20_000);
    cluster.server.forgetHistory();
    cluster.server.disturbWatches('cut');
    await cluster.remove(pods, 'web');
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 1 });
    expect(cluster.clock.monotonicMs()).toBeLessThan(40_000);
  });

  it('knows by a look at a pod what a watch that hangs does not tell', async () => {
    cluster.server.faults.add({
      matches: isEviction,
      times: 1,
      latencyMs: 10,
      onRequest: () => {
        cluster.server.disturbWatches('silence', 'pods');
        void cluster.remove(pods, 'web').then(() => cluster.pod('web', { spec: { nodeName: 'node-2' } }));
      },
    });
    expect(await cluster.drained()).toEqual({ status: 'drained', gone: 1 });
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_000);
  });

  it('believes the last list more than a watch that hangs', async () => {
    cluster.server.faults.add({
      matches: ({ user, verb, resource }) => user === 'agent' && verb === 'list' && resource === 'pods',
      after: 1,
      times: 1,
      latencyMs: 10,
      onRequest: () => {
        cluster.server.disturbWatches('silence', 'pods');
        void cluster.pod('late');
      },
    });
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(10_000);
    expect(cluster.podNames()).toEqual(['late']);
    cluster.server.disturbWatches('cut', 'pods');
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 2 });
  });

  it('does not take a pod for gone because another has its name', async () => {
    cluster.stuck.add('web');
    await cluster.pod('other');
    const isFirst = ({ name, subresource }: { name?: string | undefined; subresource: string }): boolean =>
      name === 'web' && subresource === 'eviction';
    // A conflict of another kind: the pod is the same one.
    cluster.server.faults.add({ matches: isFirst, refuse: { status: 409 }, times: 1 });
    const running = cluster.drain().run(new AbortController().signal);
    await cluster.clock.advance(20_000);
    expect(cluster.evictions().filter((name) => name === 'web')).toHaveLength(2);
    await cluster.remove(pods, 'web');
    expect(await cluster.clock.run(running)).toEqual({ status: 'drained', gone: 2 });
  });
});
