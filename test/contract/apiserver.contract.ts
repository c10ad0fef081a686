import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Api, ApiAnswer, Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';
import { imageListCrd } from '../harness/imagelistcrd.ts';

/** An API server as HTTP shows it: the real one says what is true, the emulated one must say the same. */
export interface ApiServerUnderTest {
  /** An administrator's requests. */
  readonly api: Api;
  /** Requests with a token that nobody issued. */
  readonly stranger: Api;
  /** Of a user to whom nothing is granted. */
  readonly nobody: Api;
  /** Makes every resourceVersion and continue token given out so far too old. */
  forgetHistory(): Promise<void>;
  dispose(): Promise<void>;
}

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const nodes = '/api/v1/nodes';
const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const imageLists = '/apis/eraser.sh/v1/imagelists';
const newEvents = '/apis/events.k8s.io/v1/namespaces/default/events';
const oldEvents = '/api/v1/namespaces/default/events';

const merge = { contentType: 'application/merge-patch+json' };
const strategic = { contentType: 'application/strategic-merge-patch+json' };
const jsonPatch = { contentType: 'application/json-patch+json' };
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

export function describeApiServerContract(name: string, start: () => Promise<ApiServerUnderTest>): void {
  describe(`the Kubernetes API of ${name}`, () => {
    let server: ApiServerUnderTest;
    let api: Api;
    let counter = 0;

    beforeAll(async () => {
      server = await start();
      ({ api } = server);
      await api.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', imageListCrd);
      await eventually('the ImageLists are served', async () => (await api.send('GET', imageLists)).status === 200);
    });
    afterAll(async () => {
      await server.dispose();
    });

    const unique = (prefix: string): string => `${prefix}-${(counter += 1)}`;
    const configMap = async (metadata: Json = {}): Promise<Json> =>
      await api.create(configMaps, { metadata: { name: unique('cm'), ...metadata }, data: { a: '1' } });
    const node = async (metadata: Json = {}): Promise<Json> =>
      await api.create(nodes, { metadata: { name: unique('node'), ...metadata } });

    async function pod(
      labels: Json = {},
      status: Json = { phase: 'Running' },
      nodeName = 'some-node',
    ): Promise<string> {
      const name = unique('pod');
      const spec = { nodeName, containers: [{ name: 'app', image: 'registry.example/app:1' }] };
      await api.create(pods, { metadata: { name, labels }, spec });
      await api.merge(`${pods}/${name}/status`, { status });
      return name;
    }

    describe('refusals', () => {
      it('names what was not found', async () => {
        expect(status(await api.send('GET', `${nodes}/nobody`))).toEqual({
          code: 404,
          reason: 'NotFound',
          message: 'nodes "nobody" not found',
          details: { name: 'nobody', kind: 'nodes' },
        });
        expect(status(await api.send('GET', `${leases}/nobody`))).toMatchObject({
          message: 'leases.coordination.k8s.io "nobody" not found',
          details: { name: 'nobody', group: 'coordination.k8s.io', kind: 'leases' },
        });
        expect(
          status(await api.send('POST', '/api/v1/namespaces/nowhere/configmaps', { metadata: { name: 'a' } })),
        ).toMatchObject({
          code: 404,
          message: 'namespaces "nowhere" not found',
        });
      });

      it('knows no path that leads nowhere', async () => {
        expect((await api.send('GET', '/apis/eraser.sh/v1/nothings')).status).toBe(404);
        expect((await api.send('GET', '/api/v1/nothings')).status).toBe(404);
      });

      it('refuses who is not known, and who may not', async () => {
        expect(status(await server.stranger.send('GET', nodes))).toEqual({
          code: 401,
          reason: 'Unauthorized',
          message: 'Unauthorized',
        });
        expect(status(await server.nobody.send('GET', `${nodes}/a`))).toMatchObject({
          code: 403,
          reason: 'Forbidden',
          message:
            'nodes "a" is forbidden: User "nobody" cannot get resource "nodes" in API group "" at the cluster scope',
        });
        expect(status(await server.nobody.send('GET', leases))).toMatchObject({
          message:
            'leases.coordination.k8s.io is forbidden: User "nobody" cannot list resource "leases" in API group "coordination.k8s.io" in the namespace "default"',
        });
        expect(status(await server.nobody.send('POST', `${pods}/a/eviction`, {}))).toMatchObject({
          message:
            'pods "a" is forbidden: User "nobody" cannot create resource "pods/eviction" in API group "" in the namespace "default"',
        });
      });

      it('says that there is one already', async () => {
        const { name } = metadataOf(await configMap());
        expect(status(await api.send('POST', configMaps, { metadata: { name } }))).toEqual({
          code: 409,
          reason: 'AlreadyExists',
          message: `configmaps "${String(name)}" already exists`,
          details: { name, kind: 'configmaps' },
        });
      });

      it.each([
        ['no name', {}],
        ['a name that is none', { name: 'Not A Name' }],
        ['a label that is none', { name: 'a', labels: { team: 'not a label' } }],
        ['annotations beyond 256 KiB', { name: 'a', annotations: { big: 'x'.repeat(262_144) } }],
        ['an annotation whose key is none', { name: 'a', annotations: { 'not a key': '' } }],
        ['an annotation that would be a prototype', { name: 'a', annotations: JSON.parse('{"__proto__":""}') }],
      ])('refuses %s as invalid', async (_what, metadata) => {
        expect(status(await api.send('POST', configMaps, { metadata }))).toMatchObject({
          code: 422,
          reason: 'Invalid',
        });
      });

      it.each([
        ['no JSON', '{'],
        ['a list', '[]'],
        ['an annotation that is a number', { metadata: { name: 'a', annotations: { a: 1 } } }],
        ['another kind', { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'a' } }],
        ['another version', { kind: 'ConfigMap', apiVersion: 'v2', metadata: { name: 'a' } }],
        ['another namespace', { metadata: { name: 'a', namespace: 'kube-system' } }],
      ])('cannot read %s', async (_what, body) => {
        expect(status(await api.send('POST', configMaps, body))).toMatchObject({ code: 400, reason: 'BadRequest' });
      });

      it('refuses a body beyond 3 MiB', async () => {
        const body = { metadata: { name: 'big' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } };
        expect(status(await api.send('POST', configMaps, body))).toMatchObject({
          code: 413,
          reason: 'RequestEntityTooLarge',
        });
      });
    });

    describe('writes', () => {
      it('gives a new object what only the server knows', async () => {
        const answer = await api.send('POST', configMaps, { metadata: { generateName: 'made-', uid: 'mine' } });
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
        await api.replace(path, { ...first, data: { a: '2' } });
        expect(status(await api.send('PUT', path, { ...first, data: { a: '3' } }))).toMatchObject({
          code: 409,
          reason: 'Conflict',
          message: expect.stringContaining(
            'the object has been modified; please apply your changes to the latest version',
          ),
        });
        const otherUid = { ...first, metadata: { name: metadataOf(first).name, uid: 'another' } };
        expect(status(await api.send('PUT', path, otherUid))).toMatchObject({ code: 409, reason: 'Conflict' });
        expect(status(await api.send('PUT', path, { metadata: { name: 'another' } }))).toMatchObject({ code: 400 });
        const blind = await api.replace(path, { metadata: { name: metadataOf(first).name }, data: { a: '4' } });
        expect(blind['data']).toEqual({ a: '4' });
      });

      it('does not count a write that changes nothing', async () => {
        const before = await configMap({ annotations: { a: 'b' } });
        const path = `${configMaps}/${String(metadataOf(before).name)}`;
        const after = await api.merge(path, { metadata: { annotations: { a: 'b' } } });
        expect(metadataOf(after).resourceVersion).toBe(metadataOf(before).resourceVersion);
      });

      it('keeps no change of a dry run', async () => {
        const { name } = metadataOf(await configMap());
        const path = `${configMaps}/${String(name)}`;
        const answer = await api.send('PATCH', `${path}?dryRun=All`, { data: { a: 'dry' } }, merge);
        expect(answer.body['data']).toEqual({ a: 'dry' });
        expect((await api.get(path))['data']).toEqual({ a: '1' });
        expect((await api.send('POST', `${configMaps}?dryRun=All`, { metadata: { name: 'dry' } })).status).toBe(201);
        expect((await api.send('GET', `${configMaps}/dry`)).status).toBe(404);
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
        const { body } = await api.send('PATCH', path, patch, jsonPatch);
        expect(metadataOf(body).annotations).toEqual({ 'x/y': '2' });
        expect(body['data']).toEqual({ a: '1', b: '2' });
        const failing = [[{ op: 'test', path: '/data/a', value: '9' }], [{ op: 'remove', path: '/data/nothing' }]];
        for (const refused of failing) {
          expect((await api.send('PATCH', path, refused, jsonPatch)).status).toBe(422);
        }
      });

      it('merges strategically what has a key, and replaces other lists', async () => {
        const { name } = metadataOf(await node());
        const path = `${nodes}/${String(name)}`;
        const condition = (type: string, value: string): Json => ({ type, status: value, reason: 'Test' });
        const patch = async (conditions: Json[]): Promise<unknown[]> => {
          const { body } = await api.send('PATCH', `${path}/status`, { status: { conditions } }, strategic);
          const held = (body['status'] as { conditions: { type: string; status: string; reason?: string }[] })
            .conditions;
          return held.map((each) => `${each.type}=${each.status}/${each.reason ?? ''}`).sort();
        };
        await patch([condition('Ready', 'True'), condition('DiskPressure', 'False')]);
        expect(await patch([{ type: 'Ready', status: 'False' }])).toEqual([
          'DiskPressure=False/Test',
          'Ready=False/Test',
        ]);
        expect(await patch([{ type: 'DiskPressure', $patch: 'delete' }])).toEqual(['Ready=False/Test']);
        const taints = (key: string): Json => ({ spec: { taints: [{ key, effect: 'NoSchedule' }] } });
        await api.send('PATCH', path, taints('one'), strategic);
        const { body } = await api.send('PATCH', path, taints('two'), strategic);
        expect(body['spec']).toMatchObject({ taints: [{ key: 'two', effect: 'NoSchedule' }] });
        expect((await api.send('PATCH', path, {}, { contentType: 'application/json' })).status).toBe(415);
      });

      it('changes metadata with the status of a node, but not with that of an ImageList', async () => {
        const written = async (path: string): Promise<unknown> => {
          const metadata = { annotations: { written: 'yes' } };
          return metadataOf((await api.send('PATCH', `${path}/status`, { metadata }, merge)).body)['annotations'];
        };
        expect(await written(`${nodes}/${String(metadataOf(await node())['name'])}`)).toEqual({ written: 'yes' });
        const name = unique('list');
        await api.create(imageLists, {
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
        await api.delete(path);
        expect(metadataOf(await api.get(path)).deletionTimestamp).toBeDefined();
        await api.merge(path, { metadata: { finalizers: null } });
        expect((await api.send('GET', path)).status).toBe(404);
      });

      it('says what it deleted', async () => {
        const { name, uid } = metadataOf(await configMap());
        const { status: code, body } = await api.send('DELETE', `${configMaps}/${String(name)}`);
        expect(code).toBe(200);
        expect(body).toMatchObject({ kind: 'Status', status: 'Success', details: { name, kind: 'configmaps', uid } });
        const again = await configMap();
        const path = `${configMaps}/${String(metadataOf(again).name)}`;
        const answer = await api.send('DELETE', path, { preconditions: { uid: 'another' } });
        expect(status(answer)).toMatchObject({ code: 409, reason: 'Conflict' });
      });

      it('deletes a selection at once', async () => {
        const set = unique('set');
        await configMap({ labels: { set } });
        await configMap({ labels: { set } });
        const kept = await configMap();
        expect((await api.send('DELETE', `${configMaps}?labelSelector=set%3D${set}`)).status).toBe(200);
        expect(await names(api, `${configMaps}?labelSelector=set%3D${set}`)).toEqual([]);
        expect((await api.send('GET', `${configMaps}/${String(metadataOf(kept).name)}`)).status).toBe(200);
      });
    });

    describe('leases', () => {
      it('are made by PUT, and replaced only with a version', async () => {
        const name = unique('lease');
        const made = await api.replace(`${leases}/${name}`, { metadata: { name }, spec: { holderIdentity: 'a' } });
        expect(status(await api.send('PUT', `${leases}/${name}`, { metadata: { name }, spec: {} }))).toMatchObject({
          code: 422,
          message: expect.stringContaining('metadata.resourceVersion'),
        });
        const released = await api.replace(`${leases}/${name}`, { ...made, spec: { holderIdentity: '' } });
        expect(released['spec']).toEqual({ holderIdentity: '' });
        const late = await api.send('PUT', `${leases}/${name}`, { ...made, spec: { holderIdentity: 'b' } });
        expect(status(late)).toMatchObject({ code: 409, reason: 'Conflict' });
      });

      it('take times with six digits and nothing else', async () => {
        const lease = (renewTime: string): Json => ({ metadata: { name: unique('lease') }, spec: { renewTime } });
        expect((await api.send('POST', leases, lease('2026-01-01T00:00:00.000000Z'))).status).toBe(201);
        for (const time of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.000Z', 'now']) {
          expect(status(await api.send('POST', leases, lease(time)))).toMatchObject({ code: 400 });
        }
      });

      it('last for a positive time', async () => {
        const lease = { metadata: { name: unique('lease') }, spec: { leaseDurationSeconds: 0 } };
        expect(status(await api.send('POST', leases, lease))).toMatchObject({
          code: 422,
          message: expect.stringContaining('spec.leaseDurationSeconds'),
        });
      });
    });

    describe('ImageLists', () => {
      const imageList = async (fields: Json = {}): Promise<Json> =>
        await api.create(imageLists, {
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
        const annotated = await api.merge(path, { metadata: { annotations: { a: 'b' } }, status: done });
        expect(annotated['status']).toBeUndefined();
        expect(metadataOf(annotated).generation).toBe(1);
        const reported = await api.merge(`${path}/status`, { status: done, spec: { images: [] } });
        expect(reported).toMatchObject({ status: done, spec: { images: ['*'] }, metadata: { generation: 1 } });
        const changed = await api.merge(path, { spec: { images: ['alpine'] } });
        expect(changed).toMatchObject({ status: done, metadata: { generation: 2 } });
      });

      it('keep what their schema knows, and refuse what does not fit it', async () => {
        const made = await imageList({ spec: { images: ['a'], unknown: true }, more: 1 });
        expect(made['spec']).toEqual({ images: ['a'] });
        expect(made).not.toHaveProperty('more');
        for (const spec of [{ images: 'a' }, { images: [1] }, {}, 'a', { images: null }]) {
          const answer = await api.send('POST', imageLists, {
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
        const older = await api.get(`/apis/eraser.sh/v1alpha1/imagelists/${String(name)}`);
        expect(older).toMatchObject({ apiVersion: 'eraser.sh/v1alpha1', kind: 'ImageList', spec: { images: ['*'] } });
      });

      it('take no strategic patch, and no blind replacement', async () => {
        const made = await imageList();
        const path = `${imageLists}/${String(metadataOf(made).name)}`;
        expect((await api.send('PATCH', path, { spec: { images: [] } }, strategic)).status).toBe(415);
        const blind = { ...made, metadata: { name: metadataOf(made).name } };
        expect(status(await api.send('PUT', path, blind))).toMatchObject({ code: 422 });
        expect((await api.send('GET', `${imageLists}?fieldSelector=metadata.name%3Dnobody`)).body['items']).toEqual([]);
      });
    });

    describe('lists', () => {
      it('come in pages of one moment', async () => {
        const set = unique('set');
        for (let index = 0; index < 5; index += 1) await configMap({ labels: { set } });
        const path = `${configMaps}?labelSelector=set%3D${set}&limit=2`;
        const first = await api.get(path);
        await configMap({ labels: { set } });
        const second = await api.get(`${path}&continue=${String(metadataOf(first).continue)}`);
        const third = await api.get(`${path}&continue=${String(metadataOf(second).continue)}`);
        const sizes = [first, second, third].map((page) => (page['items'] as unknown[]).length);
        expect(sizes).toEqual([2, 2, 1]);
        expect(metadataOf(third).continue).toBeUndefined();
        const versions = [first, second, third].map((page) => metadataOf(page).resourceVersion);
        expect(new Set(versions).size).toBe(1);
      });

      it('show items without their type, but custom resources with it', async () => {
        const set = unique('set');
        await configMap({ labels: { set } });
        const list = await api.get(`${configMaps}?labelSelector=set%3D${set}`);
        expect(list).toMatchObject({ kind: 'ConfigMapList', apiVersion: 'v1' });
        expect((list['items'] as Json[])[0]).not.toHaveProperty('kind');
        const lists = await api.get(imageLists);
        expect(lists).toMatchObject({ kind: 'ImageListList', apiVersion: 'eraser.sh/v1' });
        expect((lists['items'] as Json[])[0]).toMatchObject({ kind: 'ImageList', apiVersion: 'eraser.sh/v1' });
      });

      it('leave out all but metadata where asked', async () => {
        const set = unique('set');
        const { name } = metadataOf(await configMap({ labels: { set } }));
        const accept = metadataOnly.replace('Metadata', 'MetadataList');
        const { body } = await api.send('GET', `${configMaps}?labelSelector=set%3D${set}`, undefined, { accept });
        expect(body).toMatchObject({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' });
        expect(body['items']).toEqual([expect.objectContaining({ metadata: expect.objectContaining({ name }) })]);
        const one = await api.send('GET', `${configMaps}/${String(name)}`, undefined, { accept: metadataOnly });
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
        expect(await names(api, `${configMaps}?labelSelector=${query}`)).toEqual(
          expected.split(',').map((label) => `${set}-${label}`),
        );
      });

      it('select by fields, those that are indexed', async () => {
        const { name } = metadataOf(await node());
        await api.merge(`${nodes}/${String(name)}`, { spec: { unschedulable: true } });
        const cordoned = await names(api, `${nodes}?fieldSelector=spec.unschedulable%3Dtrue`);
        const open = await names(api, `${nodes}?fieldSelector=spec.unschedulable%3Dfalse`);
        expect(cordoned).toContain(name);
        expect(open).not.toContain(name);
        const running = await pod({}, { phase: 'Running' }, String(name));
        await pod({}, { phase: 'Failed' }, String(name));
        const query = encodeURIComponent(`spec.nodeName=${String(name)},status.phase!=Failed`);
        expect(await names(api, `${pods}?fieldSelector=${query}`)).toEqual([running]);
        const unknown = await api.send('GET', `${pods}?fieldSelector=spec.color%3Dred`);
        expect(status(unknown)).toMatchObject({
          code: 400,
          message: expect.stringContaining('field label not supported: spec.color'),
        });
        expect((await api.send('GET', `${pods}?labelSelector=%3D%3D`)).status).toBe(400);
      });

      it('refuse a version from the future, and one that is none', async () => {
        const answer = await api.send('GET', `${configMaps}?resourceVersion=999999999`);
        expect(status(answer)).toMatchObject({ code: 504, reason: 'Timeout' });
        expect((await api.send('GET', `${configMaps}?resourceVersion=abc`)).status).toBe(400);
      });
    });

    describe('watches', () => {
      it('begin with what is there when no version is named', async () => {
        const set = unique('set');
        const { name } = metadataOf(await configMap({ labels: { set } }));
        for (const version of ['', '&resourceVersion=0']) {
          const path = `${configMaps}?watch=1&labelSelector=set%3D${set}${version}`;
          const [frame] = await take(api.watch(path), 1);
          expect(frame).toMatchObject({ type: 'ADDED', object: { kind: 'ConfigMap', metadata: { name } } });
        }
      });

      it('tell of a deletion by the last state, under a new version', async () => {
        const set = unique('set');
        const made = await configMap({ labels: { set } });
        const { name, resourceVersion } = metadataOf(made);
        const from = `${configMaps}?watch=1&labelSelector=set%3D${set}&resourceVersion=${String(resourceVersion)}`;
        await api.merge(`${configMaps}/${String(name)}`, { data: { a: '2' }, metadata: { labels: { set: null } } });
        const [left] = await take(api.watch(from), 1);
        expect(left).toMatchObject({ type: 'DELETED', object: { data: { a: '1' }, metadata: { labels: { set } } } });
        expect(Number(metadataOf(left?.object ?? {}).resourceVersion)).toBeGreaterThan(Number(resourceVersion));
      });

      it('show nothing but metadata where asked', async () => {
        const { name, resourceVersion } = metadataOf(await configMap());
        const path = `${configMaps}?watch=1&fieldSelector=metadata.name%3D${String(name)}&resourceVersion=${String(resourceVersion)}`;
        await api.merge(`${configMaps}/${String(name)}`, { data: { a: '2' } });
        const [frame] = await take(api.watch(path, { accept: metadataOnly }), 1);
        expect(frame).toMatchObject({
          type: 'MODIFIED',
          object: { kind: 'PartialObjectMetadata', metadata: { name } },
        });
        expect(frame?.object).not.toHaveProperty('data');
      });

      it('end at their timeout, with a bookmark before it that tells how far everything else has come', async () => {
        const { resourceVersion } = metadataOf(await api.get(configMaps));
        const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=4&resourceVersion=${String(resourceVersion)}`;
        const watching = take(api.watch(`${configMaps}?${query}&labelSelector=nobody`), Number.POSITIVE_INFINITY);
        const other = metadataOf(await configMap());
        const frames = await watching;
        expect(new Set(frames.map(({ type }) => type))).toEqual(new Set(['BOOKMARK']));
        expect(frames.at(-1)?.object).toMatchObject({ kind: 'ConfigMap', apiVersion: 'v1' });
        expect(metadataOf(frames.at(-1)?.object ?? {})['resourceVersion']).toBe(other['resourceVersion']);
      });

      it('send no bookmark when nothing at all has changed', async () => {
        const { resourceVersion } = metadataOf(await api.get(configMaps));
        const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=4&resourceVersion=${String(resourceVersion)}`;
        expect(await take(api.watch(`${configMaps}?${query}`), 1)).toEqual([]);
      });

      it('and pages are told when what they need is forgotten', async () => {
        const set = unique('set');
        for (let index = 0; index < 3; index += 1) await configMap({ labels: { set } });
        const path = `${configMaps}?labelSelector=set%3D${set}`;
        const page = metadataOf(await api.get(`${path}&limit=1`));
        await server.forgetHistory();
        const late = await api.send('GET', `${path}&limit=1&continue=${String(page.continue)}`);
        expect(status(late)).toMatchObject({ code: 410, reason: 'Expired' });
        const watch = api.watch(`${path}&watch=1&resourceVersion=${String(page.resourceVersion)}`);
        const frames = await take(watch, Number.POSITIVE_INFINITY);
        expect(frames).toMatchObject([{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }]);
      });
    });

    describe('pods', () => {
      it('are pending at first, whatever their maker says', async () => {
        const containers = [{ name: 'app', image: 'registry.example/app:1' }];
        const name = unique('pod');
        const made = await api.create(pods, { metadata: { name }, spec: { containers }, status: { phase: 'Running' } });
        expect(made).toMatchObject({
          status: { phase: 'Pending' },
          spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30 },
        });
        // Nobody runs it, so nobody must end it.
        expect((await api.send('DELETE', `${pods}/${name}`)).status).toBe(200);
        expect((await api.send('GET', `${pods}/${name}`)).status).toBe(404);
      });

      it('have their time to end when a node runs them', async () => {
        const path = `${pods}/${await pod()}`;
        const { body } = await api.send('DELETE', path);
        expect(body).toMatchObject({ kind: 'Pod', metadata: { deletionGracePeriodSeconds: 30 } });
        expect(metadataOf(await api.get(path)).deletionTimestamp).toBeDefined();
        await api.send('DELETE', path, { gracePeriodSeconds: 0 });
        expect((await api.send('GET', path)).status).toBe(404);
        const finished = `${pods}/${await pod({}, { phase: 'Succeeded' })}`;
        await api.send('DELETE', finished);
        expect((await api.send('GET', finished)).status).toBe(404);
      });
    });

    describe('evictions', () => {
      const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
      const evict = async (name: string, deleteOptions: Json = {}): Promise<ApiAnswer> =>
        await api.send('POST', `${pods}/${name}/eviction`, {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name },
          deleteOptions,
        });
      async function budget(app: string, disruptionsAllowed: number, observedGeneration = 1): Promise<string> {
        const name = unique('budget');
        const spec = {
          minAvailable: 1,
          selector: { matchExpressions: [{ key: 'app', operator: 'In', values: [app] }] },
        };
        await api.create(budgets, { metadata: { name }, spec });
        const counts = { currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
        await api.merge(`${budgets}/${name}/status`, { status: { ...counts, disruptionsAllowed, observedGeneration } });
        return name;
      }

      it('are refused by a budget that has nothing left, without saying how long', async () => {
        const app = unique('app');
        const name = await pod({ app }, ready);
        const refusing = await budget(app, 0);
        const answer = await evict(name);
        expect(answer.headers['retry-after']).toBeUndefined();
        expect(status(answer)).toEqual({
          code: 429,
          reason: 'TooManyRequests',
          message: "Cannot evict pod as it would violate the pod's disruption budget.",
          details: {
            causes: [
              {
                reason: 'DisruptionBudget',
                message: `The disruption budget ${refusing} needs 1 healthy pods and has 1 currently`,
              },
            ],
          },
        });
      });

      it('must wait for a budget that nobody has counted yet', async () => {
        const app = unique('app');
        const name = await pod({ app }, ready);
        await budget(app, 1, 0);
        const answer = await evict(name);
        expect(answer.headers['retry-after']).toBe('10');
        expect(status(answer)).toMatchObject({ code: 429, details: { retryAfterSeconds: 10 } });
      });

      it('spend the budget', async () => {
        const app = unique('app');
        const name = await pod({ app }, ready);
        const spent = await budget(app, 1);
        expect((await evict(name, { dryRun: ['All'] })).status).toBe(201);
        const answer = await evict(name);
        expect(answer).toMatchObject({ status: 201, body: { kind: 'Status', status: 'Success' } });
        const after = (await api.get(`${budgets}/${spent}`))['status'];
        expect(after).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { [name]: expect.any(String) } });
        expect(metadataOf(await api.get(`${pods}/${name}`)).deletionTimestamp).toBeDefined();
        // It is on its way already: asking again costs nothing.
        expect((await evict(name)).status).toBe(201);
      });

      it('ask no budget for a pod that has not begun or is finished', async () => {
        const app = unique('app');
        await budget(app, 0);
        expect((await evict(await pod({ app }, { phase: 'Pending' }))).status).toBe(201);
        expect((await evict(await pod({ app }, { phase: 'Failed' }))).status).toBe(201);
      });

      it('spare a pod that is not ready while the budget has enough without it', async () => {
        const app = unique('app');
        const spared = await budget(app, 0);
        expect((await evict(await pod({ app }, { phase: 'Running' }))).status).toBe(201);
        // Without any that must be healthy there is no telling that there are enough.
        for (const counts of [{ currentHealthy: 0 }, { currentHealthy: 0, desiredHealthy: 0 }]) {
          await api.merge(`${budgets}/${spared}/status`, { status: counts });
          expect((await evict(await pod({ app }, { phase: 'Running' }))).status).toBe(429);
        }
      });

      it('cannot answer to two budgets', async () => {
        const app = unique('app');
        const name = await pod({ app }, ready);
        await budget(app, 1);
        await budget(app, 1);
        expect(status(await evict(name))).toMatchObject({
          code: 500,
          message: expect.stringContaining('more than one'),
        });
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
        const made = await api.create(newEvents, event({ regarding: { kind: 'Node', name: 'node-1', uid } }));
        expect(made).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'removed 3 images', regarding: { uid } });
        const query = encodeURIComponent(`involvedObject.uid=${uid},reason=ImagesRemoved`);
        const { items } = (await api.get(`${oldEvents}?fieldSelector=${query}`)) as unknown as { items: Json[] };
        expect(items).toHaveLength(1);
        expect(items[0]).toMatchObject({
          message: 'removed 3 images',
          involvedObject: { kind: 'Node', name: 'node-1', uid },
          reportingComponent: 'nodetender.dev/agent',
        });
      });

      it('grow a series, and change nothing else', async () => {
        const made = await api.create(newEvents, event());
        const path = `${newEvents}/${String(metadataOf(made).name)}`;
        const series = { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' };
        expect((await api.merge(path, { series }))['series']).toEqual(series);
        expect((await api.send('PATCH', path, { note: 'another' }, merge)).status).toBe(422);
        expect((await api.send('PATCH', path, { series: { ...series, count: 1 } }, merge)).status).toBe(422);
      });

      it.each([
        ['note', { note: 'x'.repeat(1025) }, 422],
        ['reason', { reason: 'x'.repeat(129) }, 422],
        ['reportingController', { reportingController: '' }, 422],
        ['action', { action: '' }, 422],
        ['type', { type: 'Loud' }, 422],
        ['eventTime', { eventTime: '2026-01-01T00:00:00Z' }, 400],
      ])('are refused for their %s', async (_field, fields, code) => {
        expect((await api.send('POST', newEvents, event(fields))).status).toBe(code);
      });

      it('about objects outside namespaces are in default or kube-system', async () => {
        const at = (namespace: string): string => newEvents.replace('default', namespace);
        expect((await api.send('POST', at('kube-system'), event())).status).toBe(201);
        expect((await api.send('POST', at('kube-public'), event())).status).toBe(422);
      });
    });

    it('takes the objects of a CRD away with it', async () => {
      const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
      const names = { kind: 'Thing', plural: 'things', singular: 'thing' };
      const crd = { ...imageListCrd, metadata: { name: 'things.eraser.sh' }, spec: { ...imageListCrd.spec, names } };
      const things = '/apis/eraser.sh/v1/things';
      const answers = async (code: number): Promise<unknown> =>
        await eventually(`${things} answers ${code}`, async () => (await api.send('GET', things)).status === code);
      await api.create(crds, crd);
      await answers(200);
      const spec = { images: [] };
      await api.create(things, { apiVersion: 'eraser.sh/v1', kind: 'Thing', metadata: { name: 'one' }, spec });
      await api.delete(`${crds}/things.eraser.sh`);
      await answers(404);
      await api.create(crds, crd);
      await answers(200);
      expect((await api.get(things))['items']).toEqual([]);
    });

    it('tells what it serves', async () => {
      expect(await api.get('/version')).toMatchObject({ major: '1', minor: '34' });
      const { resources } = (await api.get('/apis/eraser.sh/v1')) as unknown as { resources: Json[] };
      expect(resources).toContainEqual(
        expect.objectContaining({ name: 'imagelists', kind: 'ImageList', namespaced: false }),
      );
    });

    it('taints a node that has not said that it is ready', async () => {
      expect((await node())['spec']).toEqual({
        taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
      });
    });
  });
}

/** What a refusal says. */
function status({ status: code, body }: ApiAnswer): Json {
  expect(body).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code });
  const { reason, message, details } = body;
  return { code, reason, message, ...(details === undefined ? {} : { details }) };
}

function metadataOf(object: Json): Json {
  return object['metadata'] as Json;
}

async function names(api: Api, path: string): Promise<unknown[]> {
  const { items } = await api.get(path);
  return (items as Json[]).map((item) => metadataOf(item)['name']);
}

async function take<T>(frames: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const frame of frames) {
    taken.push(frame);
    if (taken.length >= count) break;
  }
  return taken;
}
