import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type CommandResult, nodetender } from '../harness/command.ts';
import { eventually } from '../harness/eventually.ts';
import { kubeconfigText } from '../harness/kubeconfig.ts';
import { grant, permissionsListed, permissionsUsed } from '../harness/permissions.ts';
import { RollCluster } from '../harness/rollcluster.ts';

/** A cluster in which agents have been, and out of which everything of theirs is taken in the middle of a roll. */

const names = ['web-1', 'web-2', 'web-3'];
const keptCordoned = 'web-3';
const namespace = 'nodetender';
const person = { kind: 'ServiceAccount', name: 'person' };
const reboot = {
  marks: { preferNoScheduleTaint: 'example.com/reboot-wanted', leaveLoadBalancers: true },
};
const DEADLINE_MS = 120_000;

let cluster: RollCluster;
let before: object[];
let kubeconfig: string;

beforeAll(async () => {
  cluster = await RollCluster.launch({ config: { reboot: { enabled: true, ...reboot } } });
  for (const name of names) await cluster.addNode(name, { settings: reboot });
  before = await Promise.all(names.map(remarkable));
  await cluster.addWorkload('shop', 3);
  kubeconfig = await accessOf(person.name);
  await Promise.all(cluster.nodes.map(({ node }) => node.startAgent()));
  await runImageList();
  // A node that takes no pods is not cleaned for a list.
  await cluster.plane.api.merge(`/api/v1/nodes/${keptCordoned}`, { spec: { unschedulable: true } });
  await stopWhileDraining();
});
afterAll(async () => {
  await cluster?.dispose();
});

describe('nodetender uninstall, by somebody with these permissions', () => {
  it('refuses in the middle of a drain', async () => {
    const { status, stdout, stderr } = await uninstall();
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: node\/web-\d is in the middle of a reboot \(draining: /m);
  });

  it('leaves every Node as it was, and no Lease, when it is forced', async () => {
    await cluster.plane.api.create(`/api/v1/namespaces/${namespace}/configmaps`, {
      metadata: { name: 'nodetender-control' },
    });
    cluster.proxy.add({
      times: 1,
      matches: ({ method, path }) => method === 'PATCH' && path.startsWith('/api/v1/nodes/'),
      refuse: { status: 409, reason: 'Conflict' },
    });
    const { status, stdout } = await uninstall('--force');
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^node\/web-\d uncordoned$/m)]);
    expect(stdout.match(/uncordoned/g)).toHaveLength(1);
    const cordoned = (name: string | undefined): object => ({ unschedulable: name === keptCordoned });
    const expected = before.map((one, index) => ({ ...one, ...cordoned(names[index]) }));
    expect(await Promise.all(names.map(remarkable))).toEqual(expected);
    const { items } = (await cluster.plane.api.get(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`)) as {
      items: object[];
    };
    expect(items).toEqual([]);
    const { metadata } = (await cluster.plane.api.get('/apis/eraser.sh/v1/imagelists/imagelist')) as {
      metadata: { annotations?: object };
    };
    expect(metadata.annotations).toBeUndefined();
  });

  it('has used all of them, and nothing that is not listed', async () => {
    const user = `system:serviceaccount:${namespace}:${person.name}`;
    const events = (await cluster.plane.auditEvents()).filter((event) => event.user === user);
    // The conflict was the proxy's.
    expect(permissionsUsed(events)).toEqual(permissionsListed('personUninstall'));
  });
});

async function uninstall(...flags: string[]): Promise<CommandResult> {
  return await nodetender('uninstall', '-n', namespace, '--kubeconfig', kubeconfig, ...flags);
}

/** What of a Node agents change. */
async function remarkable(name: string): Promise<object> {
  const { metadata, spec, status } = (await cluster.plane.api.get(`/api/v1/nodes/${name}`)) as {
    metadata: { labels?: object; annotations?: object };
    spec: { unschedulable?: boolean; taints?: readonly { key: string; effect: string }[] };
    status: { conditions: readonly { type: string }[] };
  };
  const { labels, annotations } = metadata;
  // That of a cordon comes and goes by the node lifecycle controller.
  const taints = (spec.taints ?? []).filter(({ key }) => key !== 'node.kubernetes.io/unschedulable');
  const conditions = status.conditions.map(({ type }) => type);
  return { labels, annotations, taints, unschedulable: spec.unschedulable ?? false, conditions };
}

async function accessOf(name: string): Promise<string> {
  const { plane, proxy } = cluster;
  await plane.api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
  await grant(plane.clients, 'personUninstall', person);
  const path = join(plane.folder, `${name}.kubeconfig`);
  const text = kubeconfigText({
    server: `https://127.0.0.1:${proxy.port}`,
    certificateAuthority: proxy.certificateAuthority,
    user: { token: await plane.serviceAccountToken({ namespace, name }) },
  });
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

/** Leaves marks on the list, results on the Nodes, and the Lease of whoever has summed them up. */
async function runImageList(): Promise<void> {
  const path = '/apis/eraser.sh/v1/imagelists';
  await cluster.plane.api.create(path, {
    apiVersion: 'eraser.sh/v1',
    kind: 'ImageList',
    metadata: { name: 'imagelist' },
    spec: { images: ['registry.example/none:1'] },
  });
  const status = async (): Promise<unknown> => (await cluster.plane.api.get(`${path}/imagelist`))['status'];
  await eventually('the list is done', status, DEADLINE_MS);
}

/** All agents die while one drains and the others wait, with all that they put on their Nodes. */
async function stopWhileDraining(): Promise<void> {
  cluster.proxy.add({
    matches: ({ path, body }) => path.includes('/eviction') && !body.includes('dryRun'),
    refuse: { status: 429, reason: 'TooManyRequests' },
  });
  const states = async (): Promise<string> => {
    const objects = await Promise.all(names.map((name) => cluster.object(name)));
    const all = objects.map(({ metadata }) => metadata.labels?.['nodetender.dev/state'] ?? 'idle');
    return all.toSorted((one, other) => one.localeCompare(other)).join(' ');
  };
  // Not the one that was cordoned before: it has no cordon of ours.
  const [first, ...others] = cluster.nodes;
  // Those of the workload may all be elsewhere, and a drain without pods is over at once.
  await first?.node.bindPod('stays', { containers: [{ name: 'app', image: 'registry.example/app:1' }] });
  await first?.host.wantReboot('linux-image-generic');
  await eventually('one drains', async () => (await states()) === 'draining idle idle', DEADLINE_MS);
  await Promise.all(others.map(({ host }) => host.wantReboot('linux-image-generic')));
  await eventually('the others wait', async () => (await states()) === 'draining waiting waiting', DEADLINE_MS);
  for (const { node } of cluster.nodes) await node.agent.kill();
}
