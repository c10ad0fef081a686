import { expect, it } from 'vitest';

import type { Json } from '../../harness/api.ts';
import { eventually } from '../../harness/eventually.ts';
import { imageListCrd } from '../../harness/imagelistcrd.ts';
import type { ApiServerSetting } from './setting.ts';

/** What is there, and comes and goes with its CRD. */
export function describeServed(the: ApiServerSetting): void {
  const { node } = the;

  it('takes the objects of a CRD away with it', async () => {
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const names = { kind: 'Thing', plural: 'things', singular: 'thing' };
    const crd = { ...imageListCrd, metadata: { name: 'things.eraser.sh' }, spec: { ...imageListCrd.spec, names } };
    const things = '/apis/eraser.sh/v1/things';
    const answers = async (code: number): Promise<unknown> =>
      await eventually(`${things} answers ${code}`, async () => (await the.api.send('GET', things)).status === code);
    await the.api.create(crds, crd);
    await answers(200);
    const spec = { images: [] };
    await the.api.create(things, { apiVersion: 'eraser.sh/v1', kind: 'Thing', metadata: { name: 'one' }, spec });
    await the.api.delete(`${crds}/things.eraser.sh`);
    await answers(404);
    await the.api.create(crds, crd);
    await answers(200);
    expect((await the.api.get(things))['items']).toEqual([]);
  });

  it('tells what it serves', async () => {
    expect(await the.api.get('/version')).toMatchObject({ major: '1', minor: '34' });
    const { resources } = (await the.api.get('/apis/eraser.sh/v1')) as unknown as { resources: Json[] };
    expect(resources).toContainEqual(
      expect.objectContaining({ name: 'imagelists', kind: 'ImageList', namespaced: false }),
    );
  });

  it('taints a node that has not said that it is ready', async () => {
    expect((await node())['spec']).toEqual({
      taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
    });
  });
}
