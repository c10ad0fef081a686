import { existsSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** What the other suites rely on when they bring up a control plane. */
describe('a real control plane for tests', () => {
  let plane: ControlPlane;

  beforeAll(async () => {
    plane = await ControlPlane.launch();
  });
  afterAll(async () => {
    await plane.destroy();
  });

  const namespace = 'default';
  const nodes = '/api/v1/nodes';
  const status = async (): Promise<number> => (await plane.api.send('GET', nodes)).status;

  it('gives tokens as a pod has them, with its node in it', async () => {
    const { api } = plane;
    await api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: 'agent' } });
    await api.create(nodes, { metadata: { name: 'node-1' } });
    await api.create(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name: 'agent-1' },
      spec: {
        serviceAccountName: 'agent',
        nodeName: 'node-1',
        containers: [{ name: 'agent', image: 'registry.example/agent:1' }],
      },
    });
    const token = await plane.serviceAccountToken({ namespace, name: 'agent' }, { pod: 'agent-1' });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const answer = await plane.clients
      .apiOf({ token })
      .create('/apis/authentication.k8s.io/v1/selfsubjectreviews', review);
    expect(answer['status']).toMatchObject({
      userInfo: {
        username: 'system:serviceaccount:default:agent',
        extra: { 'authentication.kubernetes.io/node-name': ['node-1'] },
      },
    });
  });

  it('refuses a certificate that has expired', async () => {
    const expired = plane.clients.user({ commonName: 'admin', organizations: ['system:masters'] }, -1_000);
    expect((await plane.clients.apiOf(expired).send('GET', nodes)).status).toBe(401);
  });

  it('writes down who did what', async () => {
    const nobody = plane.clients.apiOf(plane.clients.user({ commonName: 'nobody' }));
    await nobody.send('PATCH', `${nodes}/node-1/status`, {}, { contentType: 'application/merge-patch+json' });
    const events = (await plane.auditEvents()).filter(({ user }) => user === 'nobody');
    expect(events).toEqual([
      {
        user: 'nobody',
        verb: 'patch',
        apiGroup: '',
        resource: 'nodes',
        subresource: 'status',
        namespace: '',
        name: 'node-1',
        code: 403,
        uri: `${nodes}/node-1/status`,
        receivedAtMs: expect.any(Number),
      },
    ]);
  });

  it('answers again after the API server was killed, at the same address', async () => {
    await plane.apiServer.kill();
    await expect(status()).rejects.toThrow(/ECONN|socket hang up/);
    await plane.apiServer.start();
    expect(await status()).toBe(200);
  });

  it('says that it is ill while etcd is gone, and recovers', async () => {
    await plane.etcd.stop();
    const isReady = async (): Promise<boolean> => (await plane.api.send('GET', '/readyz/etcd')).status === 200;
    await eventually('the API server is not ready', async () => !(await isReady()), 60_000);
    await plane.etcd.start();
    await eventually('the API server is ready', isReady, 60_000);
    expect(await status()).toBe(200);
  });

  it('can hang without closing a connection', async () => {
    await plane.apiServer.pause();
    const hanging = status();
    const first = await Promise.race([hanging, new Promise((resolve) => setTimeout(() => resolve('nothing'), 500))]);
    plane.apiServer.resume();
    expect(first).toBe('nothing');
    expect(await hanging).toBe(200);
  });

  it('leaves no process and no file behind, whatever state it was in', async () => {
    const other = await ControlPlane.launch();
    await other.etcd.kill();
    await other.apiServer.pause();
    expect(await processesNaming(other.folder)).toHaveLength(1);
    await other.destroy();
    await other.destroy();
    expect(await processesNaming(other.folder)).toEqual([]);
    expect(existsSync(other.folder)).toBe(false);
  });
});

/** The processes that have a file of the folder open. */
async function processesNaming(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  for (const pid of pids) {
    const output = await readlink(`/proc/${pid}/fd/1`).catch(() => '');
    if (output.startsWith(folder)) found.push(pid);
  }
  return found;
}
