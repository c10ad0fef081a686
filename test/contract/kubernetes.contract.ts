import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../agent/clock.ts';
import { isNodetenderError } from '../../agent/errors.ts';
import { configMaps, nodes, type PodObject, pods } from '../../agent/cluster/objects.ts';
import type { KubernetesObject, KubernetesPort, Resource, Scope, WatchEvent } from '../../agent/cluster/port.ts';
import { type Change, Watched } from '../../agent/cluster/watch.ts';
import { eventually } from '../harness/eventually.ts';

/** An API server that the contract is tried on. */
export interface KubernetesUnderTest {
  /** An administrator's. */
  readonly port: KubernetesPort;
  /** Of somebody who may get and list nodes and nothing else. */
  readonly limited: KubernetesPort;
  /** Makes every resourceVersion given out so far too old. */
  forgetHistory(): Promise<void>;
  dispose(): Promise<void>;
}

const namespace = 'default';
const budgets: Resource<KubernetesObject & { readonly status?: object; readonly spec?: object }> = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  namespaced: true,
};

const namespaces: Resource = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };

/** What every KubernetesPort must do, whatever stands behind it. */
export function describeKubernetesContract(name: string, start: () => Promise<KubernetesUnderTest>): void {
  describe(`a Kubernetes port on ${name}`, () => {
    let cluster: KubernetesUnderTest;
    let port: KubernetesPort;
    let counter = 0;

    beforeAll(async () => {
      cluster = await start();
      ({ port } = cluster);
    });
    afterAll(async () => {
      cluster.limited.close();
      port.close();
      await cluster.dispose();
    });

    const unique = (prefix: string): string => `${prefix}-${(counter += 1)}`;

    async function configMap(labels: Record<string, string> = {}, name = unique('cm')): Promise<KubernetesObject> {
      return await port.create(configMaps, namespace, { metadata: { name, labels }, data: { a: '1', b: '2' } });
    }

    async function node(name = unique('node')): Promise<KubernetesObject> {
      return await port.create(nodes, undefined, { metadata: { name } });
    }

    async function runningPod(nodeName: string, labels: Record<string, string> = {}): Promise<PodObject> {
      const name = unique('pod');
      await port.create(pods, namespace, {
        metadata: { name, labels },
        spec: { nodeName, containers: [{ name: 'app', image: 'registry.example/app:1' }] },
      });
      const conditions = [{ type: 'Ready', status: 'True' }];
      return await port.patch(
        pods,
        { namespace, name },
        { type: 'strategic', body: { status: { phase: 'Running', conditions } }, subresource: 'status' },
      );
    }

    async function namesIn(resource: Resource, scope: Scope): Promise<string[]> {
      return [...(await port.list(resource, scope, ({ metadata }) => metadata.name)).items].sort();
    }

    async function versionOf(resource: Resource, scope: Scope): Promise<string> {
      return (await port.list(resource, scope, () => undefined)).resourceVersion;
    }

    describe('single objects', () => {
      it('creates, gives them a UID and a resourceVersion, and gets them', async () => {
        const created = await configMap({ team: 'shop' });
        expect(created.metadata.uid).not.toBe('');
        const got = await port.get(configMaps, created.metadata);
        expect(got).toMatchObject({ metadata: created.metadata, data: { a: '1', b: '2' } });
      });

      it('says when there is none, and when there is one already', async () => {
        const { metadata } = await configMap();
        await expect(port.get(configMaps, { namespace, name: 'nobody' })).rejects.toMatchObject({
          code: 'cluster/not-found',
          message: expect.stringContaining('nobody'),
        });
        await expect(configMap({}, metadata.name)).rejects.toMatchObject({ code: 'cluster/already-exists' });
      });

      it('refuses an object that is not valid, naming the field', async () => {
        await expect(configMap({}, 'Not A Name')).rejects.toMatchObject({
          code: 'cluster/invalid',
          message: expect.stringContaining('metadata.name'),
        });
      });

      it('replaces what has not changed since, and nothing else', async () => {
        const { metadata } = await configMap();
        const first = await port.get(configMaps, metadata);
        const second = await port.replace(configMaps, { ...first, data: { a: 'second' } });
        expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
        const late = port.replace(configMaps, { ...first, data: { a: 'late' } });
        await expect(late).rejects.toMatchObject({ code: 'cluster/conflict', notApplied: true });
        expect(await port.get(configMaps, metadata)).toMatchObject({ data: { a: 'second' } });
      });

      it('lets exactly one of two win who write at once', async () => {
        const { metadata } = await configMap();
        const seen = await port.get(configMaps, metadata);
        const writes = ['x', 'y', 'z'].map((a) =>
          port.replace(configMaps, { ...seen, data: { a } }).then(() => 'written', codeOf),
        );
        expect((await Promise.all(writes)).sort()).toEqual(['cluster/conflict', 'cluster/conflict', 'written']);
      });

      it('merges a patch and takes away what is null', async () => {
        const { metadata } = await configMap();
        const body = { data: { a: null, c: '3' }, metadata: { annotations: { 'nodetender.dev/clean': '1' } } };
        const patched = await port.patch(configMaps, metadata, { type: 'merge', body });
        expect(patched).toMatchObject({ metadata: { annotations: { 'nodetender.dev/clean': '1' } } });
        expect((patched as { data?: unknown }).data).toEqual({ b: '2', c: '3' });
      });

      it('patches under a condition when the patch names a resourceVersion', async () => {
        const { metadata } = await configMap();
        const { resourceVersion } = metadata;
        const patch = { type: 'merge', body: { metadata: { resourceVersion }, data: { a: 'once' } } } as const;
        await port.patch(configMaps, metadata, patch);
        await expect(
          port.patch(configMaps, metadata, { ...patch, body: { ...patch.body, data: { a: 'twice' } } }),
        ).rejects.toMatchObject({ code: 'cluster/conflict' });
        expect(await port.get(configMaps, metadata)).toMatchObject({ data: { a: 'once' } });
      });

      it('merges conditions by their type in a strategic patch', async () => {
        const { metadata } = await node();
        const condition = async (type: string, status: string): Promise<unknown> =>
          await port.patch(nodes, metadata, {
            type: 'strategic',
            body: { status: { conditions: [{ type, status }] } },
            subresource: 'status',
          });
        await condition('Ready', 'True');
        await condition('RebootRequired', 'False');
        await condition('RebootRequired', 'True');
        const conditions = (await port.get(nodes, metadata)).status?.conditions ?? [];
        expect(conditions.map(({ type, status }) => `${type}=${status}`).sort()).toEqual([
          'Ready=True',
          'RebootRequired=True',
        ]);
      });

      it('keeps status and the rest apart', async () => {
        const { metadata } = await node();
        const conditions = [{ type: 'Ready', status: 'True' }];
        const body = { spec: { unschedulable: true }, status: { conditions } };
        const main = await port.patch(nodes, metadata, { type: 'merge', body });
        expect(main.spec?.unschedulable).toBe(true);
        expect(main.status?.conditions ?? []).toEqual([]);
        const after = await port.patch(nodes, metadata, {
          type: 'merge',
          body: { spec: { unschedulable: false }, status: { conditions } },
          subresource: 'status',
        });
        expect(after.spec?.unschedulable).toBe(true);
        expect(after.status?.conditions).toMatchObject(conditions);
      });

      it('deletes only what still is what was meant', async () => {
        const { metadata } = await configMap();
        const wrong = { preconditions: { uid: '00000000-0000-0000-0000-000000000000' } };
        await expect(port.delete(configMaps, metadata, wrong)).rejects.toMatchObject({ code: 'cluster/conflict' });
        const { resourceVersion } = metadata;
        await port.patch(configMaps, metadata, { type: 'merge', body: { data: { a: 'changed' } } });
        await expect(port.delete(configMaps, metadata, { preconditions: { resourceVersion } })).rejects.toMatchObject({
          code: 'cluster/conflict',
        });
        await port.delete(configMaps, metadata, { preconditions: { uid: metadata.uid } });
        await expect(port.delete(configMaps, metadata)).rejects.toMatchObject({ code: 'cluster/not-found' });
      });
    });

    describe('lists', () => {
      it('selects by label', async () => {
        const set = unique('set');
        const a = await configMap({ set, tier: 'web' });
        const b = await configMap({ set, tier: 'db' });
        await configMap({});
        expect(await namesIn(configMaps, { namespace, labelSelector: `set=${set}` })).toEqual(
          [a.metadata.name, b.metadata.name].sort(),
        );
        expect(await namesIn(configMaps, { labelSelector: `set in (${set}),tier!=db` })).toEqual([a.metadata.name]);
        expect(await namesIn(configMaps, { namespace: 'kube-system', labelSelector: `set=${set}` })).toEqual([]);
      });

      it('selects a node by name, and pods by the node they are bound to', async () => {
        const [one, other] = [await node(), await node()];
        const mine = await runningPod(one.metadata.name);
        await runningPod(other.metadata.name);
        expect(await namesIn(nodes, { fieldSelector: `metadata.name=${one.metadata.name}` })).toEqual([
          one.metadata.name,
        ]);
        expect(await namesIn(pods, { fieldSelector: `spec.nodeName=${one.metadata.name}` })).toEqual([
          mine.metadata.name,
        ]);
        expect(await namesIn(pods, { fieldSelector: `spec.nodeName=${unique('nobody')}` })).toEqual([]);
      });

      it('gives all pages of one moment, each object once', async () => {
        const set = unique('set');
        const made = await Promise.all(Array.from({ length: 23 }, () => configMap({ set })));
        const names = await namesIn(configMaps, { namespace, labelSelector: `set=${set}`, pageSize: 5 });
        expect(names).toEqual(made.map(({ metadata }) => metadata.name).sort());
      });

      it('leaves out all but the metadata where asked', async () => {
        const set = unique('set');
        await configMap({ set });
        const scope = { namespace, labelSelector: `set=${set}`, metadataOnly: true };
        const { items } = await port.list(configMaps, scope, (object) => object);
        expect(items).toHaveLength(1);
        expect(items[0]?.metadata.labels).toEqual({ set });
        expect(items[0]).not.toHaveProperty('data');
      });
    });

    describe('watches', () => {
      it('tells what happens after a list, in order, and no more', async () => {
        const set = unique('set');
        const scope = { namespace, labelSelector: `set=${set}` };
        const before = await configMap({ set });
        const resourceVersion = await versionOf(configMaps, scope);
        const seen = collect(port, scope, resourceVersion, 4);
        const { metadata } = await configMap({ set });
        await configMap({});
        await port.patch(configMaps, metadata, { type: 'merge', body: { data: { a: 'new' } } });
        await port.delete(configMaps, metadata);
        await port.delete(configMaps, before.metadata);
        expect(await seen).toEqual([
          `added ${metadata.name}`,
          `modified ${metadata.name}`,
          `deleted ${metadata.name}`,
          `deleted ${before.metadata.name}`,
        ]);
      });

      it('tells of an object that enters the selection, and that leaves it', async () => {
        const set = unique('set');
        const scope = { namespace, labelSelector: `set=${set}` };
        const { metadata } = await configMap();
        const seen = collect(port, scope, await versionOf(configMaps, scope), 2);
        await port.patch(configMaps, metadata, { type: 'merge', body: { metadata: { labels: { set } } } });
        await port.patch(configMaps, metadata, { type: 'merge', body: { metadata: { labels: { set: null } } } });
        expect(await seen).toEqual([`added ${metadata.name}`, `deleted ${metadata.name}`]);
      });

      it('sends a bookmark before it ends at its timeout, from which the next goes on', async () => {
        const set = unique('set');
        const scope = { namespace, labelSelector: `set=${set}` };
        await configMap({ set });
        const events: WatchEvent<KubernetesObject>[] = [];
        const start = { resourceVersion: await versionOf(configMaps, scope), timeoutSeconds: 5 };
        const startedMs = performance.now();
        for await (const event of port.watch(configMaps, scope, start)) {
          events.push(event);
          // Something must happen, if only to others: where nothing has changed there is nothing to mark.
          if (event.type === 'opened') await configMap();
        }
        expect(performance.now() - startedMs).toBeGreaterThan(4_000);
        const last = events.at(-1);
        if (last?.type !== 'bookmark') throw new Error(`the last event is ${last?.type}, not a bookmark`);
        const { metadata } = await configMap({ set });
        expect(await collect(port, scope, last.resourceVersion, 1)).toEqual([`added ${metadata.name}`]);
      });

      it('ends when asked to', async () => {
        const stop = new AbortController();
        const start = { resourceVersion: await versionOf(configMaps, { namespace }), timeoutSeconds: 60 };
        const watching = async (): Promise<void> => {
          for await (const event of port.watch(configMaps, { namespace }, start, { signal: stop.signal })) {
            if (event.type === 'opened') stop.abort();
          }
        };
        await expect(watching()).rejects.toMatchObject({ code: 'cluster/cancelled' });
      });
    });

    describe('evictions', () => {
      async function budgetFor(labels: Record<string, string>, disruptionsAllowed: number): Promise<KubernetesObject> {
        const { metadata } = await port.create(budgets, namespace, {
          metadata: { name: unique('budget') },
          spec: { minAvailable: 1, selector: { matchLabels: labels } },
        });
        await allow(metadata, disruptionsAllowed);
        return { metadata };
      }

      /** What the disruption controller would say; none runs here. */
      async function allow(metadata: KubernetesObject['metadata'], disruptionsAllowed: number): Promise<void> {
        const status = {
          observedGeneration: 1,
          disruptionsAllowed,
          currentHealthy: 1,
          desiredHealthy: 1,
          expectedPods: 1,
        };
        await port.patch(budgets, metadata, { type: 'merge', body: { status }, subresource: 'status' });
      }

      it('waits for a budget, and goes through when that allows it', async () => {
        const labels = { app: unique('app') };
        const { metadata } = await runningPod((await node()).metadata.name, labels);
        const budget = await budgetFor(labels, 0);
        await expect(port.evict(metadata, { gracePeriodSeconds: 0 })).rejects.toMatchObject({
          code: 'cluster/disruption-budget',
          notApplied: true,
        });
        expect((await port.get(pods, metadata)).metadata.deletionTimestamp).toBeUndefined();
        await allow(budget.metadata, 1);
        await port.evict(metadata, { gracePeriodSeconds: 0 });
        await expect(port.get(pods, metadata)).rejects.toMatchObject({ code: 'cluster/not-found' });
      });

      it("lets a pod go in its own time, which shows as the pod's deletion", async () => {
        const { metadata } = await runningPod((await node()).metadata.name);
        await port.evict(metadata, { preconditions: { uid: metadata.uid } });
        expect((await port.get(pods, metadata)).metadata.deletionTimestamp).toMatch(/^\d{4}-/);
        await port.evict(metadata, { gracePeriodSeconds: 0 });
      });

      it('evicts nobody else of the same name', async () => {
        const { metadata } = await runningPod((await node()).metadata.name);
        const uid = '00000000-0000-0000-0000-000000000000';
        await expect(port.evict(metadata, { preconditions: { uid } })).rejects.toMatchObject({
          code: 'cluster/conflict',
        });
        await expect(port.evict(metadata, { preconditions: { uid }, dryRun: true })).rejects.toMatchObject({
          code: 'cluster/conflict',
        });
        await expect(port.evict({ namespace, name: unique('nobody') })).rejects.toMatchObject({
          code: 'cluster/not-found',
        });
      });

      it('can be tried without an effect: no pod goes, no budget is spent', async () => {
        const labels = { app: unique('app') };
        const { metadata } = await runningPod((await node()).metadata.name, labels);
        const budget = await budgetFor(labels, 1);
        await port.evict(metadata, { preconditions: { uid: metadata.uid }, dryRun: true });
        expect((await port.get(pods, metadata)).metadata.deletionTimestamp).toBeUndefined();
        expect((await port.get(budgets, budget.metadata)).status).toMatchObject({ disruptionsAllowed: 1 });
        await allow(budget.metadata, 0);
        await expect(port.evict(metadata, { dryRun: true })).rejects.toMatchObject({
          code: 'cluster/disruption-budget',
        });
      });

      it('says that several budgets count a pod', async () => {
        const labels = { app: unique('app') };
        const { metadata } = await runningPod((await node()).metadata.name, labels);
        for (let count = 0; count < 2; count += 1) await budgetFor(labels, 1);
        await expect(port.evict(metadata)).rejects.toMatchObject({ code: 'cluster/several-budgets' });
      });

      it("says that a pod's namespace is going", async () => {
        const going = unique('going');
        await port.create(namespaces, undefined, { metadata: { name: going } });
        await port.create(pods, going, {
          metadata: { name: 'web' },
          spec: { nodeName: 'some-node', containers: [{ name: 'app', image: 'registry.example/app:1' }] },
        });
        await port.delete(namespaces, { name: going });
        await expect(port.evict({ namespace: going, name: 'web' })).rejects.toMatchObject({
          code: 'cluster/namespace-terminating',
        });
      });
    });

    it('says which verb on which resource is forbidden', async () => {
      const { metadata } = await node();
      await expect(cluster.limited.get(nodes, metadata)).resolves.toMatchObject({ metadata: { name: metadata.name } });
      const patch = { type: 'merge', body: { spec: { unschedulable: true } } } as const;
      await expect(cluster.limited.patch(nodes, metadata, patch)).rejects.toMatchObject({
        code: 'cluster/forbidden',
        message: expect.stringMatching(/"patch" on nodes /),
      });
      await expect(cluster.limited.list(pods, {}, () => 0)).rejects.toMatchObject({ code: 'cluster/forbidden' });
      const status = cluster.limited.patch(nodes, metadata, { ...patch, subresource: 'status' });
      await expect(status).rejects.toMatchObject({ message: expect.stringContaining('nodes/status') });
      await expect(cluster.limited.evict({ namespace, name: 'web' })).rejects.toMatchObject({
        code: 'cluster/forbidden',
        message: expect.stringMatching(/"create" on pods\/eviction /),
      });
    });

    it('says when a watch asks for what is forgotten, and follows on all the same', async () => {
      const set = unique('set');
      const scope = { namespace, labelSelector: `set=${set}` };
      const kept = await configMap({ set });
      const lost = await configMap({ set });
      const resourceVersion = await versionOf(configMaps, scope);
      const changes: string[] = [];
      const stop = new AbortController();
      const watched = new Watched({
        port,
        resource: configMaps,
        scope,
        project: (object: KubernetesObject) => object.metadata.name,
        onChange: (change) => changes.push(describeChange(change)),
        clock: systemClock,
        random: Math.random,
      });
      const running = watched.run(stop.signal);
      await watched.whenSynced();
      await cluster.forgetHistory();
      await expect(collect(port, scope, resourceVersion, 1)).rejects.toMatchObject({ code: 'cluster/gone' });
      await port.delete(configMaps, lost.metadata);
      const late = await configMap({ set });
      await eventually('the change after the gap is seen', () => watched.get(`default/${late.metadata.name}`), 60_000);
      stop.abort();
      await running;
      expect(watched.values().sort()).toEqual([kept.metadata.name, late.metadata.name].sort());
      expect(changes.sort()).toEqual(
        [
          `added default/${kept.metadata.name}`,
          `added default/${lost.metadata.name}`,
          `added default/${late.metadata.name}`,
          `deleted default/${lost.metadata.name}`,
        ].sort(),
      );
    });

    it('refuses calls once closed', async () => {
      cluster.limited.close();
      await expect(cluster.limited.list(nodes, {}, () => 0)).rejects.toMatchObject({ code: 'cluster/cancelled' });
    });
  });
}

/** The first `count` changes after a resourceVersion. */
async function collect(port: KubernetesPort, scope: Scope, resourceVersion: string, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of port.watch(configMaps, scope, { resourceVersion, timeoutSeconds: 60 })) {
    if ('object' in event) seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === count) break;
  }
  return seen;
}

function describeChange({ type, key }: Change<unknown>): string {
  return `${type} ${key}`;
}

function codeOf(error: unknown): string {
  return isNodetenderError(error) ? error.code : String(error);
}
