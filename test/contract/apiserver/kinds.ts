import { describe, expect, it } from 'vitest';

import type { Json } from '../../harness/api.ts';
import {
  type ApiServerSetting,
  leases,
  imageLists,
  newEvents,
  oldEvents,
  merge,
  strategic,
  status,
  metadataOf,
} from './setting.ts';

/** What is particular to Leases, ImageLists and Events. */
export function describeKinds(the: ApiServerSetting): void {
  const { unique } = the;

  describe('leases', () => {
    it('are made by PUT, and replaced only with a version', async () => {
      const name = unique('lease');
      const made = await the.api.replace(`${leases}/${name}`, { metadata: { name }, spec: { holderIdentity: 'a' } });
      expect(status(await the.api.send('PUT', `${leases}/${name}`, { metadata: { name }, spec: {} }))).toMatchObject({
        code: 422,
        message: expect.stringContaining('metadata.resourceVersion'),
      });
      const released = await the.api.replace(`${leases}/${name}`, { ...made, spec: { holderIdentity: '' } });
      expect(released['spec']).toEqual({ holderIdentity: '' });
      const late = await the.api.send('PUT', `${leases}/${name}`, { ...made, spec: { holderIdentity: 'b' } });
      expect(status(late)).toMatchObject({ code: 409, reason: 'Conflict' });
    });

    it('take times with six digits and nothing else', async () => {
      const lease = (renewTime: string): Json => ({ metadata: { name: unique('lease') }, spec: { renewTime } });
      expect((await the.api.send('POST', leases, lease('2026-01-01T00:00:00.000000Z'))).status).toBe(201);
      for (const time of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z', 'now']) {
        expect(status(await the.api.send('POST', leases, lease(time)))).toMatchObject({ code: 400 });
      }
    });

    it('last for a positive time', async () => {
      const lease = { metadata: { name: unique('lease') }, spec: { leaseDurationSeconds: 0 } };
      expect(status(await the.api.send('POST', leases, lease))).toMatchObject({
        code: 422,
        message: expect.stringContaining('spec.leaseDurationSeconds'),
      });
    });
  });

  describe('ImageLists', () => {
    const imageList = async (fields: Json = {}): Promise<Json> =>
      await the.api.create(imageLists, {
        apiVersion: 'eraser.sh/v1',
        kind: 'ImageList',
        metadata: { name: unique('list') },
        spec: { images: ['*'] },
        ...fields,
      });
    const done = { success: 1, failed: 0, skipped: 0, timestamp: '2026-01-01T00:00:00Z' };

    it('count the changes of what is wanted, and of nothing else', async () => {
      const made = await imageList({ status: done });
      const path = `${imageLists}/${String(metadataOf(made).name)}`;
      expect(made['status']).toBeUndefined();
      expect(metadataOf(made).generation).toBe(1);
      const annotated = await the.api.merge(path, { metadata: { annotations: { a: 'b' } }, status: done });
      expect(annotated['status']).toBeUndefined();
      expect(metadataOf(annotated).generation).toBe(1);
      const reported = await the.api.merge(`${path}/status`, { status: done, spec: { images: [] } });
      expect(reported).toMatchObject({ status: done, spec: { images: ['*'] }, metadata: { generation: 1 } });
      const changed = await the.api.merge(path, { spec: { images: ['alpine'] } });
      expect(changed).toMatchObject({ status: done, metadata: { generation: 2 } });
    });

    it('keep what their schema knows, and refuse what does not fit it', async () => {
      const made = await imageList({ spec: { images: ['a'], unknown: true }, more: 1 });
      expect(made['spec']).toEqual({ images: ['a'] });
      expect(made).not.toHaveProperty('more');
      for (const spec of [{ images: 'a' }, { images: [1] }, {}, 'a', { images: null }]) {
        const answer = await the.api.send('POST', imageLists, {
          apiVersion: 'eraser.sh/v1',
          kind: 'ImageList',
          metadata: { name: unique('list') },
          spec,
        });
        expect(status(answer)).toMatchObject({ code: 422, reason: 'Invalid' });
      }
    });

    it('are the same in both their versions', async () => {
      const { name } = metadataOf(await imageList());
      const older = await the.api.get(`/apis/eraser.sh/v1alpha1/imagelists/${String(name)}`);
      expect(older).toMatchObject({ apiVersion: 'eraser.sh/v1alpha1', kind: 'ImageList', spec: { images: ['*'] } });
    });

    it('take no strategic patch, and no blind replacement', async () => {
      const made = await imageList();
      const path = `${imageLists}/${String(metadataOf(made).name)}`;
      expect((await the.api.send('PATCH', path, { spec: { images: [] } }, strategic)).status).toBe(415);
      const blind = { ...made, metadata: { name: metadataOf(made).name } };
      expect(status(await the.api.send('PUT', path, blind))).toMatchObject({ code: 422 });
      expect((await the.api.send('GET', `${imageLists}?fieldSelector=metadata.name%3Dnobody`)).body['items']).toEqual(
        [],
      );
    });
  });

  describe('Events', () => {
    const event = (fields: Json = {}): Json => ({
      metadata: { name: unique('event') },
      regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'u1' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'nodetender.dev/agent',
      reportingInstance: 'node-1',
      action: 'Clean',
      reason: 'ImagesRemoved',
      note: 'removed 3 images',
      type: 'Normal',
      ...fields,
    });

    it('are shown by both APIs in their own words', async () => {
      const uid = unique('uid');
      const made = await the.api.create(newEvents, event({ regarding: { kind: 'Node', name: 'node-1', uid } }));
      expect(made).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'removed 3 images', regarding: { uid } });
      const query = encodeURIComponent(`involvedObject.uid=${uid},reason=ImagesRemoved`);
      const { items } = (await the.api.get(`${oldEvents}?fieldSelector=${query}`)) as unknown as { items: Json[] };
      expect(items).toHaveLength(1);
      expect(items[0]).toMatchObject({
        message: 'removed 3 images',
        involvedObject: { kind: 'Node', name: 'node-1', uid },
        reportingComponent: 'nodetender.dev/agent',
      });
    });

    it('grow a series, and change nothing else', async () => {
      const made = await the.api.create(newEvents, event());
      const path = `${newEvents}/${String(metadataOf(made).name)}`;
      const series = { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' };
      expect((await the.api.merge(path, { series }))['series']).toEqual(series);
      expect((await the.api.send('PATCH', path, { note: 'another' }, merge)).status).toBe(422);
      expect((await the.api.send('PATCH', path, { series: { ...series, count: 1 } }, merge)).status).toBe(422);
    });

    it.each([
      ['note', { note: 'x'.repeat(1025) }, 422],
      ['reason', { reason: 'x'.repeat(129) }, 422],
      ['reportingController', { reportingController: '' }, 422],
      ['action', { action: '' }, 422],
      ['type', { type: 'Loud' }, 422],
      ['eventTime', { eventTime: '2026-01-01T00:00:00Z' }, 400],
    ])('are refused for their %s', async (_field, fields, code) => {
      expect((await the.api.send('POST', newEvents, event(fields))).status).toBe(code);
    });

    it('about objects outside namespaces are in default or kube-system', async () => {
      const at = (namespace: string): string => newEvents.replace('default', namespace);
      expect((await the.api.send('POST', at('kube-system'), event())).status).toBe(201);
      expect((await the.api.send('POST', at('kube-public'), event())).status).toBe(422);
    });
  });
}
