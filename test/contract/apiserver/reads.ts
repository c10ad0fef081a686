import { describe, expect, it } from 'vitest';

import type { Json } from '../../harness/api.ts';
import {
  type ApiServerSetting,
  configMaps,
  pods,
  nodes,
  imageLists,
  metadataOnly,
  status,
  metadataOf,
  names,
  take,
} from './setting.ts';

/** Lists and watches. */
export function describeReads(the: ApiServerSetting): void {
  const { unique, configMap, node, pod } = the;

  describe('lists', () => {
    it('come in pages of one moment', async () => {
      const set = unique('set');
      for (let index = 0; index < 5; index += 1) await configMap({ labels: { set } });
      const path = `${configMaps}?labelSelector=set%3D${set}&limit=2`;
      const first = await the.api.get(path);
      await configMap({ labels: { set } });
      const second = await the.api.get(`${path}&continue=${String(metadataOf(first).continue)}`);
      const third = await the.api.get(`${path}&continue=${String(metadataOf(second).continue)}`);
      const sizes = [first, second, third].map((page) => (page['items'] as unknown[]).length);
      expect(sizes).toEqual([2, 2, 1]);
      expect(metadataOf(third).continue).toBeUndefined();
      const versions = [first, second, third].map((page) => metadataOf(page).resourceVersion);
      expect(new Set(versions).size).toBe(1);
    });

    it('show items without their type, but custom resources with it', async () => {
      const set = unique('set');
      await configMap({ labels: { set } });
      const list = await the.api.get(`${configMaps}?labelSelector=set%3D${set}`);
      expect(list).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
      expect((list['items'] as Json[])[0]).not.toHaveProperty('kind');
      const lists = await the.api.get(imageLists);
      expect(lists).toMatchObject({ kind: 'ImageListList', apiVersion: 'eraser.sh/v1' });
      expect((lists['items'] as Json[])[0]).toMatchObject({ kind: 'ImageList', apiVersion: 'eraser.sh/v1' });
    });

    it('leave out all but metadata where asked', async () => {
      const set = unique('set');
      const { name } = metadataOf(await configMap({ labels: { set } }));
      const accept = metadataOnly.replace('Metadata', 'MetadataList');
      const { body } = await the.api.send('GET', `${configMaps}?labelSelector=set%3D${set}`, undefined, { accept });
      expect(body).toMatchObject({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' });
      expect(body['items']).toEqual([expect.objectContaining({ metadata: expect.objectContaining({ name }) })]);
      const one = await the.api.send('GET', `${configMaps}/${String(name)}`, undefined, { accept: metadataOnly });
      expect(one.body).toMatchObject({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' });
      expect(one.body).not.toHaveProperty('data');
    });

    it.each([
      ['a', 'a=1'],
      ['a', 'a==1'],
      ['b,c', 'a!=1'],
      ['a,b', 'a'],
      ['c', '!a'],
      ['a,b', 'a in (1, 2)'],
      ['b,c', 'a notin (1)'],
      ['b', 'a,b=x'],
      ['c', 'a notin (1,2),a!=9'],
    ])('select %s by the labels %s', async (expected, selector) => {
      const set = unique('set');
      const labels: Record<string, Json> = { a: { a: '1' }, b: { a: '2', b: 'x' }, c: {} };
      for (const [label, own] of Object.entries(labels))
        await configMap({ name: `${set}-${label}`, labels: { set, ...own } });
      const query = encodeURIComponent(`set=${set},${selector}`);
      expect(await names(the.api, `${configMaps}?labelSelector=${query}`)).toEqual(
        expected.split(',').map((label) => `${set}-${label}`),
      );
    });

    it('select by fields, those that are indexed', async () => {
      const { name } = metadataOf(await node());
      await the.api.merge(`${nodes}/${String(name)}`, { spec: { unschedulable: true } });
      const cordoned = await names(the.api, `${nodes}?fieldSelector=spec.unschedulable%3Dtrue`);
      const open = await names(the.api, `${nodes}?fieldSelector=spec.unschedulable%3Dfalse`);
      expect(cordoned).toContain(name);
      expect(open).not.toContain(name);
      const running = await pod({}, { phase: 'Running' }, String(name));
      await pod({}, { phase: 'Failed' }, String(name));
      const query = encodeURIComponent(`spec.nodeName=${String(name)},status.phase!=Failed`);
      expect(await names(the.api, `${pods}?fieldSelector=${query}`)).toEqual([running]);
      const unknown = await the.api.send('GET', `${pods}?fieldSelector=spec.color%3Dred`);
      expect(status(unknown)).toMatchObject({
        code: 400,
        message: expect.stringContaining('field label not supported: spec.color'),
      });
      expect((await the.api.send('GET', `${pods}?labelSelector=%3D%3D`)).status).toBe(400);
    });

    it('refuse a version from the future, and one that is none', async () => {
      const answer = await the.api.send('GET', `${configMaps}?resourceVersion=999999999`);
      expect(status(answer)).toMatchObject({ code: 504, reason: 'Timeout' });
      expect((await the.api.send('GET', `${configMaps}?resourceVersion=abc`)).status).toBe(400);
    });
  });

  describe('watches', () => {
    it('begin with what is there when no version is named', async () => {
      const set = unique('set');
      const { name } = metadataOf(await configMap({ labels: { set } }));
      for (const version of ['', '&resourceVersion=0']) {
        const path = `${configMaps}?watch=1&labelSelector=set%3D${set}${version}`;
        const [frame] = await take(the.api.watch(path), 1);
        expect(frame).toMatchObject({ type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name } } });
      }
    });

    it('tell of a deletion by the last state, under a new version', async () => {
      const set = unique('set');
      const made = await configMap({ labels: { set } });
      const { name, resourceVersion } = metadataOf(made);
      const from = `${configMaps}?watch=1&labelSelector=set%3D${set}&resourceVersion=${String(resourceVersion)}`;
      await the.api.merge(`${configMaps}/${String(name)}`, { data: { a: '2' }, metadata: { labels: { set: null } } });
      const [left] = await take(the.api.watch(from), 1);
      expect(left).toMatchObject({ type: 'DELETED', object: { data: { a: '1' }, metadata: { labels: { set } } } });
      expect(Number(metadataOf(left?.object ?? {}).resourceVersion)).toBeGreaterThan(Number(resourceVersion));
    });

    it('show nothing but metadata where asked', async () => {
      const { name, resourceVersion } = metadataOf(await configMap());
      const path = `${configMaps}?watch=1&fieldSelector=metadata.name%3D${String(name)}&resourceVersion=${String(resourceVersion)}`;
      await the.api.merge(`${configMaps}/${String(name)}`, { data: { a: '2' } });
      const [frame] = await take(the.api.watch(path, { accept: metadataOnly }), 1);
      expect(frame).toMatchObject({
        type: 'MODIFIED',
        object: { kind: 'PartialObjectMetadata', metadata: { name } },
      });
      expect(frame?.object).not.toHaveProperty('data');
    });

    it('end at their timeout, with a bookmark before it that tells how far everything else has come', async () => {
      const { resourceVersion } = metadataOf(await the.api.get(configMaps));
      const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=4&resourceVersion=${String(resourceVersion)}`;
      const watching = take(the.api.watch(`${configMaps}?${query}&labelSelector=nobody`), Number.POSITIVE_INFINITY);
      const other = metadataOf(await configMap());
      const frames = await watching;
      expect(new Set(frames.map(({ type }) => type))).toEqual(new Set(['BOOKMARK']));
      expect(frames.at(-1)?.object).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1' });
      expect(metadataOf(frames.at(-1)?.object ?? {})['resourceVersion']).toBe(other['resourceVersion']);
    });

    it('send no bookmark when nothing at all has changed', async () => {
      const { resourceVersion } = metadataOf(await the.api.get(configMaps));
      const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=4&resourceVersion=${String(resourceVersion)}`;
      expect(await take(the.api.watch(`${configMaps}?${query}`), 1)).toEqual([]);
    });

    it('and pages are told when what they need is forgotten', async () => {
      const set = unique('set');
      for (let index = 0; index < 3; index += 1) await configMap({ labels: { set } });
      const path = `${configMaps}?labelSelector=set%3D${set}`;
      const page = metadataOf(await the.api.get(`${path}&limit=1`));
      await the.server.forgetHistory();
      const late = await the.api.send('GET', `${path}&limit=1&continue=${String(page.continue)}`);
      expect(status(late)).toMatchObject({ code: 410, reason: 'Expired' });
      const watch = the.api.watch(`${path}&watch=1&resourceVersion=${String(page.resourceVersion)}`);
      const frames = await take(watch, Number.POSITIVE_INFINITY);
      expect(frames).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }]);
    });
  });
}
