import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { imageListCrd } from '../harness/imagelistcrd.ts';
import { KubernetesServer } from '../emulators/kubernetes/server.ts';
import type { Clients } from '../harness/clients.ts';
import { eventually } from '../harness/eventually.ts';
import { kubectl } from '../harness/kubectl.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** The commands that our pages show, with kubectl itself: on the real API server, and on the one that the demo uses. */
const servers: readonly [string, () => Promise<{ readonly clients: Clients; destroy(): Promise<void> }>][] = [
  ['kube-apiserver', () => ControlPlane.launch()],
  ['the emulator', () => KubernetesServer.launch()],
];

const imageListYaml = `apiVersion: eraser.sh/v1
kind: ImageList
metadata:
  name: imagelist
spec:
  images:
    - docker.io/library/alpine:3.7.3
`;

describe.each(servers)('kubectl on %s', (_name, launch) => {
  let server: Awaited<ReturnType<typeof launch>>;
  let clients: Clients;
  const run = async (command: string): Promise<string> => await kubectl(clients, ...command.split(' '));

  beforeAll(async () => {
    server = await launch();
    ({ clients } = server);
    await clients.api.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', imageListCrd);
    for (const name of ['node-1', 'node-2']) {
      await clients.api.create('/api/v1/nodes', { metadata: { name, labels: { pool: name } } });
    }
    await eventually('ImageLists are known', async () => (await run('api-resources')).includes('imagelists'));
  });
  afterAll(async () => {
    await server.destroy();
  });

  it('annotates one node, a selection, and all', async () => {
    const values = async (): Promise<string> =>
      await run('get nodes -o jsonpath={.items[*].metadata.annotations.nodetender\\.dev/clean}');
    await run('annotate node node-1 nodetender.dev/clean=one');
    expect(await values()).toBe('one');
    await run('annotate node -l pool=node-2 nodetender.dev/clean=two');
    expect(await values()).toBe('one two');
    await run('annotate node --all --overwrite nodetender.dev/clean=three');
    expect(await values()).toBe('three three');
    await run('annotate node --all nodetender.dev/clean-');
    expect(await values()).toBe('');
  });

  it('applies an ImageList, again, changed, and deletes it', async () => {
    const file = join(clients.folder, 'imagelist.yaml');
    await writeFile(file, imageListYaml);
    expect(await run(`apply -f ${file}`)).toContain('created');
    expect(await run(`apply -f ${file}`)).toContain('unchanged');
    await writeFile(file, imageListYaml.replace('3.7.3', '3.8'));
    expect(await run(`apply -f ${file}`)).toContain('configured');
    expect(await run('get imagelist imagelist -o jsonpath={.spec.images}/{.metadata.generation}')).toBe(
      '["docker.io/library/alpine:3.8"]/2',
    );
    expect(await run('delete ImageList imagelist')).toContain('deleted');
  });

  it('makes a ConfigMap from a file, and labels it', async () => {
    const file = join(clients.folder, 'sample.json');
    await writeFile(file, '{"excluded": ["docker.io/library/*"]}');
    await run(`create configmap excluded --from-file=sample.json=${file} --namespace=kube-system`);
    await run('label configmap excluded eraser.sh/exclude.list=true --namespace=kube-system');
    expect(
      await run('get configmap -A -l eraser.sh/exclude.list=true -o jsonpath={.items[*].data.sample\\.json}'),
    ).toBe('{"excluded": ["docker.io/library/*"]}');
  });

  it('shows nodes, their labels and whether they take pods', async () => {
    await clients.api.create('/api/v1/nodes', {
      metadata: {
        name: 'node-3',
        labels: { 'node-role.kubernetes.io/control-plane': '', 'nodetender.dev/state': 'draining' },
      },
      spec: { unschedulable: true },
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.34.4' } },
    });
    const rows = (await run('get nodes -L nodetender.dev/state'))
      .split('\n')
      .map((row) => row.split(/\s{2,}/).map((cell) => cell.trim()));
    expect(rows[0]).toEqual(['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION', 'STATE']);
    const [name, status, roles, age, version, state] = rows[3] ?? [];
    expect({ name, status, roles, version, state }).toEqual({
      name: 'node-3',
      status: 'Ready,SchedulingDisabled',
      roles: 'control-plane',
      version: 'v1.34.4',
      state: 'draining',
    });
    expect(age).toMatch(/^\d+s$/);
    expect(await run('get nodes node-1')).toMatch(/node-1 +Unknown +<none>/);
    await run('delete node node-3');
  });

  it('cordons, drains and uncordons', async () => {
    const pod = (name: string): object => ({
      metadata: {
        name,
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u', controller: true }],
      },
      spec: { nodeName: 'node-1', containers: [{ name: 'web', image: 'registry.example/web:1' }] },
    });
    await clients.api.create('/api/v1/namespaces/default/pods', { ...pod('web-1') });
    // Nobody runs the pod; without time to end it is gone when it is evicted.
    expect(await run('drain node-1 --grace-period=0 --force --timeout=30s')).toContain('node/node-1 drained');
    expect(await run('get node node-1 -o jsonpath={.spec.unschedulable}')).toBe('true');
    await run('uncordon node-1');
    expect(await run('get node node-1 -o jsonpath={.spec.unschedulable}')).toBe('');
    expect(await run('get pods -o name')).toBe('');
  });

  it('describes a node with its Events', async () => {
    await clients.api.create('/apis/events.k8s.io/v1/namespaces/default/events', {
      metadata: { name: 'node-1.1' },
      regarding: { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: 'node-1' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'nodetender.dev/agent',
      reportingInstance: 'node-1',
      action: 'Clean',
      reason: 'ImagesRemoved',
      note: 'removed 3 images, freed 1.2 GiB',
      type: 'Normal',
    });
    expect(await run('describe node node-1')).toMatch(/Normal\s+ImagesRemoved.*removed 3 images, freed 1\.2 GiB/);
    expect(await run('get events')).toMatch(/Normal +ImagesRemoved +node\/node-1 +removed 3 images/);
  });
});
