import { describe, expect, it } from 'vitest';
import { configMaps, nodes, pods } from '../../../agent/cluster/objects.ts';
import { codeOf, type KubernetesSetting, namespace } from './setting.ts';

/** Single objects, and who may do what with them. */
export function describeObjects(the: KubernetesSetting): void {
  const { configMap, node } = the;

  describe('single objects', () => {
    it('creates, gives them a UID and a resourceVersion, and gets them', async () => {
      const created = await configMap({ team: 'shop' });
      expect(created.metadata.uid).not.toBe('');
      const got = await the.port.get(configMaps, created.metadata);
      expect(got).toMatchObject({ metadata: created.metadata, data: { a: '1', b: '2' } });
    });

    it('says when there is none, and when there is one already', async () => {
      const { metadata } = await configMap();
      await expect(the.port.get(configMaps, { namespace, name: 'nobody' })).rejects.toMatchObject({
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
      const first = await the.port.get(configMaps, metadata);
      const second = await the.port.replace(configMaps, { ...first, data: { a: 'second' } });
      expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
      const late = the.port.replace(configMaps, { ...first, data: { a: 'late' } });
      await expect(late).rejects.toMatchObject({ code: 'cluster/conflict', notApplied: true });
      expect(await the.port.get(configMaps, metadata)).toMatchObject({ data: { a: 'second' } });
    });

    it('lets exactly one of two win who write at once', async () => {
      const { metadata } = await configMap();
      const seen = await the.port.get(configMaps, metadata);
      const writes = ['x', 'y', 'z'].map((a) =>
        the.port.replace(configMaps, { ...seen, data: { a } }).then(() => 'written', codeOf),
      );
      expect((await Promise.all(writes)).sort()).toEqual(['cluster/conflict', 'cluster/conflict', 'written']);
    });

    it('merges a patch and takes away what is null', async () => {
      const { metadata } = await configMap();
      const body = { data: { a: null, c: '3' }, metadata: { annotations: { 'nodetender.dev/clean': '1' } } };
      const patched = await the.port.patch(configMaps, metadata, { type: 'merge', body });
      expect(patched).toMatchObject({ metadata: { annotations: { 'nodetender.dev/clean': '1' } } });
      expect((patched as { data?: unknown }).data).toEqual({ b: '2', c: '3' });
    });

    it('patches under a condition when the patch names a resourceVersion', async () => {
      const { metadata } = await configMap();
      const { resourceVersion } = metadata;
      const patch = { type: 'merge', body: { metadata: { resourceVersion }, data: { a: 'once' } } } as const;
      await the.port.patch(configMaps, metadata, patch);
      await expect(
        the.port.patch(configMaps, metadata, { ...patch, body: { ...patch.body, data: { a: 'twice' } } }),
      ).rejects.toMatchObject({ code: 'cluster/conflict' });
      expect(await the.port.get(configMaps, metadata)).toMatchObject({ data: { a: 'once' } });
    });

    it('merges conditions by their type in a strategic patch', async () => {
      const { metadata } = await node();
      const condition = async (type: string, status: string): Promise<unknown> =>
        await the.port.patch(nodes, metadata, {
          type: 'strategic',
          body: { status: { conditions: [{ type, status }] } },
          subresource: 'status',
        });
      await condition('Ready', 'True');
      await condition('RebootRequired', 'False');
      await condition('RebootRequired', 'True');
      const conditions = (await the.port.get(nodes, metadata)).status?.conditions ?? [];
      expect(conditions.map(({ type, status }) => `${type}=${status}`).sort()).toEqual([
        'Ready=True',
        'RebootRequired=True',
      ]);
    });

    it('keeps status and the rest apart', async () => {
      const { metadata } = await node();
      const conditions = [{ type: 'Ready', status: 'True' }];
      const body = { spec: { unschedulable: true }, status: { conditions } };
      const main = await the.port.patch(nodes, metadata, { type: 'merge', body });
      expect(main.spec?.unschedulable).toBe(true);
      expect(main.status?.conditions ?? []).toEqual([]);
      const after = await the.port.patch(nodes, metadata, {
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
      await expect(the.port.delete(configMaps, metadata, wrong)).rejects.toMatchObject({ code: 'cluster/conflict' });
      const { resourceVersion } = metadata;
      await the.port.patch(configMaps, metadata, { type: 'merge', body: { data: { a: 'changed' } } });
      await expect(the.port.delete(configMaps, metadata, { preconditions: { resourceVersion } })).rejects.toMatchObject(
        {
          code: 'cluster/conflict',
        },
      );
      await the.port.delete(configMaps, metadata, { preconditions: { uid: metadata.uid } });
      await expect(the.port.delete(configMaps, metadata)).rejects.toMatchObject({ code: 'cluster/not-found' });
    });
  });

  it('says which verb on which resource is forbidden', async () => {
    const { metadata } = await node();
    await expect(the.cluster.limited.get(nodes, metadata)).resolves.toMatchObject({
      metadata: { name: metadata.name },
    });
    const patch = { type: 'merge', body: { spec: { unschedulable: true } } } as const;
    await expect(the.cluster.limited.patch(nodes, metadata, patch)).rejects.toMatchObject({
      code: 'cluster/forbidden',
      message: expect.stringMatching(/"patch" on nodes /),
    });
    await expect(the.cluster.limited.list(pods, {}, () => 0)).rejects.toMatchObject({ code: 'cluster/forbidden' });
    const status = the.cluster.limited.patch(nodes, metadata, { ...patch, subresource: 'status' });
    await expect(status).rejects.toMatchObject({ message: expect.stringContaining('nodes/status') });
    await expect(the.cluster.limited.evict({ namespace, name: 'web' })).rejects.toMatchObject({
      code: 'cluster/forbidden',
      message: expect.stringMatching(/"create" on pods\/eviction /),
    });
  });
}
