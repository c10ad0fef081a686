import { describe, expect, it } from 'vitest';

import type { Json } from '../../harness/api.ts';
import {
  type ApiServerSetting,
  configMaps,
  nodes,
  imageLists,
  merge,
  strategic,
  jsonPatch,
  status,
  metadataOf,
  names,
} from './setting.ts';

/** What writes do to an object. */
export function describeWrites(the: ApiServerSetting): void {
  const { unique, configMap, node } = the;

  describe('writes', () => {
    it('gives a new object what only the server knows', async () => {
      const answer = await the.api.send('POST', configMaps, { metadata: { generateName: 'made-', uid: 'mine' } });
      expect(answer.status).toBe(201);
      const { name, uid, resourceVersion, creationTimestamp, generation } = metadataOf(answer.body);
      expect(name).toMatch(/^made-[a-z0-9]{5}$/);
      expect(uid).toMatch(/^[0-9a-f-]{36}$/);
      expect(resourceVersion).toMatch(/^\d+$/);
      expect(creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(generation).toBeUndefined();
    });

    it('replaces only what is still the same', async () => {
      const first = await configMap();
      const path = `${configMaps}/${String(metadataOf(first).name)}`;
      await the.api.replace(path, { ...first, data: { a: '2' } });
      expect(status(await the.api.send('PUT', path, { ...first, data: { a: '3' } }))).toMatchObject({
        code: 409,
        reason: 'Conflict',
        message: expect.stringContaining(
          'the object has been modified; please apply your changes to the latest version',
        ),
      });
      const otherUid = { ...first, metadata: { name: metadataOf(first).name, uid: 'another' } };
      expect(status(await the.api.send('PUT', path, otherUid))).toMatchObject({ code: 409, reason: 'Conflict' });
      expect(status(await the.api.send('PUT', path, { metadata: { name: 'another' } }))).toMatchObject({ code: 400 });
      const blind = await the.api.replace(path, { metadata: { name: metadataOf(first).name }, data: { a: '4' } });
      expect(blind['data']).toEqual({ a: '4' });
    });

    it('does not count a write that changes nothing', async () => {
      const before = await configMap({ annotations: { a: 'b' } });
      const path = `${configMaps}/${String(metadataOf(before).name)}`;
      const after = await the.api.merge(path, { metadata: { annotations: { a: 'b' } } });
      expect(metadataOf(after).resourceVersion).toBe(metadataOf(before).resourceVersion);
    });

    it('keeps no change of a dry run', async () => {
      const { name } = metadataOf(await configMap());
      const path = `${configMaps}/${String(name)}`;
      const answer = await the.api.send('PATCH', `${path}?dryRun=All`, { data: { a: 'dry' } }, merge);
      expect(answer.body['data']).toEqual({ a: 'dry' });
      expect((await the.api.get(path))['data']).toEqual({ a: '1' });
      expect((await the.api.send('POST', `${configMaps}?dryRun=All`, { metadata: { name: 'dry' } })).status).toBe(201);
      expect((await the.api.send('GET', `${configMaps}/dry`)).status).toBe(404);
    });

    it('patches by RFC 6902', async () => {
      const { name } = metadataOf(await configMap({ annotations: { 'x/y': '1', gone: '1' } }));
      const path = `${configMaps}/${String(name)}`;
      const patch = [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'replace', path: '/metadata/annotations/x~1y', value: '2' },
        { op: 'remove', path: '/metadata/annotations/gone' },
        { op: 'add', path: '/data/b', value: '2' },
      ];
      const { body } = await the.api.send('PATCH', path, patch, jsonPatch);
      expect(metadataOf(body).annotations).toEqual({ 'x/y': '2' });
      expect(body['data']).toEqual({ a: '1', b: '2' });
      const failing = [[{ op: 'test', path: '/data/a', value: '9' }], [{ op: 'remove', path: '/data/nothing' }]];
      for (const refused of failing) {
        expect((await the.api.send('PATCH', path, refused, jsonPatch)).status).toBe(422);
      }
    });

    it('merges strategically what has a key, and replaces other lists', async () => {
      const { name } = metadataOf(await node());
      const path = `${nodes}/${String(name)}`;
      const condition = (type: string, value: string): Json => ({ type, status: value, reason: 'Test' });
      const patch = async (conditions: Json[]): Promise<unknown[]> => {
        const { body } = await the.api.send('PATCH', `${path}/status`, { status: { conditions } }, strategic);
        const held = (body['status'] as { conditions: { type: string; status: string; reason?: string }[] }).conditions;
        return held.map((each) => `${each.type}=${each.status}/${each.reason ?? ''}`).sort();
      };
      await patch([condition('Ready', 'True'), condition('DiskPressure', 'False')]);
      expect(await patch([{ type: 'Ready', status: 'False' }])).toEqual([
        'DiskPressure=False/Test',
        'Ready=False/Test',
      ]);
      expect(await patch([{ type: 'DiskPressure', $patch: 'delete' }])).toEqual(['Ready=False/Test']);
      const taints = (key: string): Json => ({ spec: { taints: [{ key, effect: 'NoSchedule' }] } });
      await the.api.send('PATCH', path, taints('one'), strategic);
      const { body } = await the.api.send('PATCH', path, taints('two'), strategic);
      expect(body['spec']).toMatchObject({ taints: [{ key: 'two', effect: 'NoSchedule' }] });
      expect((await the.api.send('PATCH', path, {}, { contentType: 'application/json' })).status).toBe(415);
    });

    it('changes metadata with the status of a node, but not with that of an ImageList', async () => {
      const written = async (path: string): Promise<unknown> => {
        const metadata = { annotations: { written: 'yes' } };
        return metadataOf((await the.api.send('PATCH', `${path}/status`, { metadata }, merge)).body)['annotations'];
      };
      expect(await written(`${nodes}/${String(metadataOf(await node())['name'])}`)).toEqual({ written: 'yes' });
      const name = unique('list');
      await the.api.create(imageLists, {
        apiVersion: 'eraser.sh/v1',
        kind: 'ImageList',
        metadata: { name },
        spec: { images: [] },
      });
      expect(await written(`${imageLists}/${name}`)).toBeUndefined();
    });

    it('holds an object that has finalizers until the last is gone', async () => {
      const { name } = metadataOf(await configMap({ finalizers: ['nodetender.dev/test'] }));
      const path = `${configMaps}/${String(name)}`;
      await the.api.delete(path);
      expect(metadataOf(await the.api.get(path)).deletionTimestamp).toBeDefined();
      await the.api.merge(path, { metadata: { finalizers: null } });
      expect((await the.api.send('GET', path)).status).toBe(404);
    });

    it('says what it deleted', async () => {
      const { name, uid } = metadataOf(await configMap());
      const { status: code, body } = await the.api.send('DELETE', `${configMaps}/${String(name)}`);
      expect(code).toBe(200);
      expect(body).toMatchObject({ kind: 'Status', status: 'Success', details: { name, kind: 'configmaps', uid } });
      const again = await configMap();
      const path = `${configMaps}/${String(metadataOf(again).name)}`;
      const answer = await the.api.send('DELETE', path, { preconditions: { uid: 'another' } });
      expect(status(answer)).toMatchObject({ code: 409, reason: 'Conflict' });
    });

    it('deletes a selection at once', async () => {
      const set = unique('set');
      await configMap({ labels: { set } });
      await configMap({ labels: { set } });
      const kept = await configMap();
      expect((await the.api.send('DELETE', `${configMaps}?labelSelector=set%3D${set}`)).status).toBe(200);
      expect(await names(the.api, `${configMaps}?labelSelector=set%3D${set}`)).toEqual([]);
      expect((await the.api.send('GET', `${configMaps}/${String(metadataOf(kept).name)}`)).status).toBe(200);
    });
  });
}
