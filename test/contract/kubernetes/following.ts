import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../agent/clock.ts';
import { configMaps, nodes, pods } from '../../../agent/cluster/objects.ts';
import type { KubernetesObject, WatchEvent } from '../../../agent/cluster/port.ts';
import { Watched } from '../../../agent/cluster/watch.ts';
import { eventually } from '../../harness/eventually.ts';
import { collect, describeChange, type KubernetesSetting, namespace } from './setting.ts';

/** Lists and watches. */
export function describeFollowing(the: KubernetesSetting): void {
  const { unique, configMap, node, runningPod, namesIn, versionOf } = the;

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
      const { items } = await the.port.list(configMaps, scope, (object) => object);
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
      const seen = collect(the.port, scope, resourceVersion, 4);
      const { metadata } = await configMap({ set });
      await configMap({});
      await the.port.patch(configMaps, metadata, { type: 'merge', body: { data: { a: 'new' } } });
      await the.port.delete(configMaps, metadata);
      await the.port.delete(configMaps, before.metadata);
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
      const seen = collect(the.port, scope, await versionOf(configMaps, scope), 2);
      await the.port.patch(configMaps, metadata, { type: 'merge', body: { metadata: { labels: { set } } } });
      await the.port.patch(configMaps, metadata, { type: 'merge', body: { metadata: { labels: { set: null } } } });
      expect(await seen).toEqual([`added ${metadata.name}`, `deleted ${metadata.name}`]);
    });

    it('sends a bookmark before it ends at its timeout, from which the next goes on', async () => {
      const set = unique('set');
      const scope = { namespace, labelSelector: `set=${set}` };
      await configMap({ set });
      const events: WatchEvent<KubernetesObject>[] = [];
      const start = { resourceVersion: await versionOf(configMaps, scope), timeoutSeconds: 5 };
      const startedMs = performance.now();
      for await (const event of the.port.watch(configMaps, scope, start)) {
        events.push(event);
        // Something must happen, if only to others: where nothing has changed there is nothing to mark.
        if (event.type === 'opened') await configMap();
      }
      expect(performance.now() - startedMs).toBeGreaterThan(4_000);
      const last = events.at(-1);
      if (last?.type !== 'bookmark') throw new Error(`the last event is ${last?.type}, not a bookmark`);
      const { metadata } = await configMap({ set });
      expect(await collect(the.port, scope, last.resourceVersion, 1)).toEqual([`added ${metadata.name}`]);
    });

    it('ends when asked to', async () => {
      const stop = new AbortController();
      const start = { resourceVersion: await versionOf(configMaps, { namespace }), timeoutSeconds: 60 };
      const watching = async (): Promise<void> => {
        for await (const event of the.port.watch(configMaps, { namespace }, start, { signal: stop.signal })) {
          if (event.type === 'opened') stop.abort();
        }
      };
      await expect(watching()).rejects.toMatchObject({ code: 'cluster/cancelled' });
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
      port: the.port,
      resource: configMaps,
      scope,
      project: (object: KubernetesObject) => object.metadata.name,
      onChange: (change) => changes.push(describeChange(change)),
      clock: systemClock,
      random: Math.random,
    });
    const running = watched.run(stop.signal);
    await watched.whenSynced();
    await the.cluster.forgetHistory();
    await expect(collect(the.port, scope, resourceVersion, 1)).rejects.toMatchObject({ code: 'cluster/gone' });
    await the.port.delete(configMaps, lost.metadata);
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
}
