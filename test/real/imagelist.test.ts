import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { Clients } from '../harness/clients.ts';
import { eventually } from '../harness/eventually.ts';
import {
  ImageListAgent,
  type ImageListAgentOptions,
  imageListPath,
  installEraserObjects,
} from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

const path = '/apis/eraser.sh/v1/imagelists';
const alpine = 'docker.io/library/alpine:3.7.3';
const nginx = 'docker.io/library/nginx:1.25';
const pause = 'registry.k8s.io/pause:3.9';

interface Status {
  readonly success: number;
  readonly failed: number;
  readonly skipped: number;
  readonly timestamp: string;
}

describe('ImageLists on kube-apiserver', () => {
  let plane: ControlPlane;
  let clients: Clients;
  let kubeconfig: string;
  let agents: ImageListAgent[] = [];

  beforeAll(async () => {
    plane = await ControlPlane.launch();
    ({ clients } = plane);
    kubeconfig = await clients.kubeconfigFile('agent');
    await installEraserObjects(clients);
  });
  afterEach(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    agents = [];
    const { api } = clients;
    await api.send('DELETE', path);
    await api.send('DELETE', '/api/v1/nodes');
    await api.send('DELETE', '/apis/coordination.k8s.io/v1/namespaces/nodetender/leases');
  });
  afterAll(async () => {
    await plane.destroy();
  });

  async function node(name: string, labels: Record<string, string> = {}, annotations = {}): Promise<void> {
    await clients.api.create('/api/v1/nodes', { metadata: { name, labels, annotations } });
  }

  async function agent(name: string, options: ImageListAgentOptions = {}): Promise<ImageListAgent> {
    const started = await ImageListAgent.start(kubeconfig, name, [alpine, nginx, pause], options);
    agents.push(started);
    return started;
  }

  async function apply(images: unknown[], name = 'imagelist', version = 'v1'): Promise<void> {
    const apiVersion = `eraser.sh/${version}`;
    const body = { apiVersion, kind: 'ImageList', metadata: { name }, spec: { images } };
    await clients.api.create(`/apis/${apiVersion}/imagelists`, body);
  }

  async function status(name = 'imagelist'): Promise<Status | undefined> {
    return (await clients.api.get(`${path}/${name}`))['status'] as Status | undefined;
  }

  async function counted(name = 'imagelist', deadlineMs = 30_000, after?: string): Promise<Status> {
    const newer = async (): Promise<Status | undefined> => {
      const now = await status(name);
      return now === undefined || now.timestamp === after ? undefined : now;
    };
    return await eventually(`${name} is counted`, newer, deadlineMs);
  }

  it('are run once on each node, and count nodes', async () => {
    for (const name of ['a', 'b', 'c']) await node(name);
    const [a, b, c] = [await agent('a'), await agent('b'), await agent('c')];
    c.node.store.createContainer({ image: alpine });
    await apply([alpine]);
    expect(await counted()).toMatchObject({ success: 3, failed: 0, skipped: 0 });
    expect([a.images(), b.images(), c.images()]).toEqual([
      [nginx, pause],
      [nginx, pause],
      [alpine, nginx, pause],
    ]);
    // Of whichever agent sums up.
    expect([a, b, c].flatMap(({ notes }) => notes)).toMatchObject([
      { regarding: { kind: 'ImageList' }, reason: 'ImageListImageInUse', note: `in use, and left: ${alpine} on c` },
    ]);
  });

  it('run again when they change, and when they are deleted and created again', async () => {
    await node('a');
    const a = await agent('a');
    await apply(['docker.io/library/none:1']);
    const first = await counted();
    expect(a.images()).toEqual([alpine, nginx, pause]);
    await new Promise((done) => setTimeout(done, 1_100));
    await clients.api.merge(imageListPath, { spec: { images: [alpine] } });
    await counted('imagelist', 30_000, first.timestamp);
    expect(a.images()).toEqual([nginx, pause]);
    await clients.api.delete(imageListPath);
    await apply(['*']);
    await counted();
    expect(a.images()).toEqual([pause]);
    expect(a.requests).toHaveLength(3);
  });

  it('count nodes that are filtered, held, Windows or virtual as skipped', async () => {
    await node('a');
    await node('filtered', { 'eraser.sh/cleanup.filter': '' });
    await node('windows', { 'kubernetes.io/os': 'windows' });
    await node('virtual', { type: 'virtual-kubelet' });
    await node('held', {}, { 'nodetender.dev/hold': 'mine' });
    await agent('a');
    const left = [await agent('filtered'), await agent('held')];
    await apply(['*']);
    expect(await counted()).toMatchObject({ success: 1, failed: 0, skipped: 4 });
    expect(left.flatMap(({ requests }) => requests)).toEqual([]);
    for (const one of left) expect(one.images()).toEqual([alpine, nginx, pause]);
  });

  it('count a node that does not answer in time, and one that could not clean, as failed', async () => {
    for (const name of ['a', 'broken', 'silent']) await node(name);
    await agent('a', { timeoutMs: 4_000 });
    await agent('broken', { timeoutMs: 4_000, clean: async () => undefined });
    await apply(['*']);
    expect(await counted()).toMatchObject({ success: 1, failed: 2, skipped: 0 });
  });

  it('wait for a silent node until its time is over, and are summed up by the same agent all the while', async () => {
    for (const name of ['a', 'b', 'c', 'silent']) await node(name);
    // Longer than a reporter may be silent: its marks alone keep the others from taking it for dead.
    const timeoutMs = 60_000;
    const heard = [await agent('a', { timeoutMs }), await agent('b', { timeoutMs }), await agent('c', { timeoutMs })];
    const startedMs = performance.now();
    await apply(['*']);
    const reporters = new Set<string | undefined>();
    const { success, failed, skipped } = await eventually(
      'it is counted',
      async () => {
        const by = await holder().catch(() => '');
        if (by !== '') reporters.add(by);
        return await status();
      },
      150_000,
    );
    const seconds = (performance.now() - startedMs) / 1000;
    expect({ success, failed, skipped }).toEqual({ success: 3, failed: 1, skipped: 0 });
    expect(seconds).toBeGreaterThan(60);
    expect(seconds).toBeLessThan(90);
    expect([...reporters]).toEqual([expect.stringMatching(/^[abc]$/)]);
    expect(heard.map(({ requests }) => requests.length)).toEqual([1, 1, 1]);
    expect(heard.flatMap((one) => one.images())).toEqual([pause, pause, pause]);
  });

  it('that carry a status when they are first seen are run when they change, and not before', async () => {
    await node('a');
    await apply(['*']);
    const before = { success: 7, failed: 0, skipped: 0, timestamp: '2026-01-01T00:00:00Z' };
    await clients.api.merge(`${imageListPath}/status`, { status: before });
    const a = await agent('a');
    await eventually('it is adopted', async () => {
      const { metadata } = (await clients.api.get(imageListPath)) as { metadata: { annotations?: object } };
      return metadata.annotations !== undefined;
    });
    expect([await status(), a.requests]).toEqual([before, []]);
    await a.stop();
    await clients.api.merge(imageListPath, { spec: { images: [alpine] } });
    const again = await agent('a');
    expect(await counted('imagelist', 60_000, before.timestamp)).toMatchObject({ success: 1 });
    expect(again.images()).toEqual([nginx, pause]);
  });

  it('of any name and of v1alpha1 are accepted, and an entry that is no rule does not stop the others', async () => {
    await node('a');
    const a = await agent('a');
    await apply(['Docker.io//x', alpine, ''], 'old', 'v1alpha1');
    await apply([nginx], 'other');
    expect(await counted('old')).toMatchObject({ success: 1, failed: 0 });
    expect(await counted('other')).toMatchObject({ success: 1, failed: 0 });
    expect(a.images()).toEqual([pause]);
    expect(a.notes).toMatchObject([
      {
        reason: 'ImageListEntryRefused',
        note: expect.stringMatching(/spec\.images\.0: .*Docker\.io.*spec\.images\.2/),
      },
    ]);
  });

  it('are counted to the end when the reporter dies', async () => {
    for (const name of ['a', 'b', 'slow']) await node(name);
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    const first = await agent('a');
    await apply(['*']);
    // Killed before that, it would be a silent node, which is waited for until the list's time is over.
    await eventually('the reporter has run it itself', async () => {
      const { metadata } = (await clients.api.get('/api/v1/nodes/a')) as { metadata: { annotations?: object } };
      return Object.hasOwn(metadata.annotations ?? {}, 'nodetender.dev/imagelist');
    });
    expect(await holder()).toBe('a');
    await agent('b');
    await agent('slow', { clean: () => released });
    await first.kill();
    release(undefined);
    expect(await counted('imagelist', 120_000)).toMatchObject({ success: 2, failed: 1, skipped: 0 });
    expect(await eventually('the Lease is given back', async () => (await holder()) === '')).toBe(true);
  });

  async function holder(): Promise<string | undefined> {
    const lease = '/apis/coordination.k8s.io/v1/namespaces/nodetender/leases/nodetender-imagelist';
    const { spec } = (await clients.api.get(lease)) as { spec?: { holderIdentity?: string } };
    return spec?.holderIdentity ?? '';
  }
});
