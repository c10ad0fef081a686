import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { installAdmissionPolicies } from '../harness/admissionpolicy.ts';
import { eventually } from '../harness/eventually.ts';
import { RollCluster } from '../harness/rollcluster.ts';
import type { RollWitness } from '../harness/rollwitness.ts';

/** Whatever an agent writes in its life passes the chart's admission policies, its token being that of its own pod. */

const names = ['web-1', 'web-2'];
const DEADLINE_MS = 120_000;
/** No agent asks for a dry run in this way. */
const aTry = '?dryRun=All';
const asMerge = { contentType: 'application/merge-patch+json' };
const [loadBalancers, scaleDown] = [
  'node.kubernetes.io/exclude-from-external-load-balancers',
  'cluster-autoscaler.kubernetes.io/scale-down-disabled',
];
/** Everything that an agent can be told to put on its Node or to take off it. */
const reboot = {
  marks: {
    preferNoScheduleTaint: 'example.com/reboot-wanted',
    labelsBefore: ['example.com/rebooting=true'],
    labelsAfter: ['example.com/rebooting=false'],
    leaveLoadBalancers: true,
  },
  hooks: { before: { annotations: ['example.com/ready'], timeout: '1s', whenTimedOut: 'go-on' } },
};

let cluster: RollCluster;
let witness: RollWitness;

beforeAll(async () => {
  cluster = await RollCluster.launch({
    config: { reboot: { enabled: true, ...reboot } },
    admissionPolicy: { evictions: true },
  });
  for (const name of names) {
    const { node } = await cluster.addNode(name, { settings: reboot });
    await node.addUnused('registry.example/old:1');
  }
  witness = await cluster.witness();
  await cluster.addWorkload('shop', 3);
  await Promise.all(cluster.nodes.map(({ node }) => node.startAgent()));
});
afterAll(async () => {
  await cluster?.dispose();
});

describe('agents under the admission policies', () => {
  it('roll over all nodes, with every mark and vote that can be configured', async () => {
    for (const { node } of cluster.nodes) await node.annotate({ 'example.com/ready': 'left of the reboot before' });
    await Promise.all(cluster.nodes.map(({ host }) => host.wantReboot('linux-image-generic')));
    await eventually('all have rebooted', () => cluster.nodes.every(({ reboots }) => reboots === 1), DEADLINE_MS);
    for (const name of names) {
      await eventually(
        `${name} is idle`,
        () => witness.seen.filter((one) => one === `${name} idle`).length > 1,
        DEADLINE_MS,
      );
      const { metadata, spec } = await cluster.object(name);
      expect(spec.unschedulable ?? false).toBe(false);
      expect(metadata.labels).toMatchObject({ 'example.com/rebooting': 'false' });
      expect([
        metadata.labels?.[loadBalancers],
        metadata.annotations?.[scaleDown],
        metadata.annotations?.['example.com/ready'],
      ]).toEqual([undefined, undefined, undefined]);
    }
    expect(witness.broken).toEqual([]);
    await eventually('the slot is free', async () => (await cluster.holders()).length === 0);
  });

  it('clean by an annotation', async () => {
    for (const { node } of cluster.nodes) {
      await node.annotate({ 'nodetender.dev/clean': 'a' });
      expect(await node.untilDone('a')).toMatchObject({ outcome: 'done', removed: 1 });
    }
  });

  it('clean by an ImageList, and sum up what came of it', async () => {
    const path = '/apis/eraser.sh/v1/imagelists';
    await cluster.plane.api.create(path, {
      apiVersion: 'eraser.sh/v1',
      kind: 'ImageList',
      metadata: { name: 'imagelist' },
      spec: { images: ['registry.example/older:1'] },
    });
    const status = await eventually(
      'the status of the ImageList',
      async () => (await cluster.plane.api.get(`${path}/imagelist`))['status'],
      DEADLINE_MS,
    );
    expect(status).toMatchObject({ success: 2, failed: 0, skipped: 0 });
  });
});

describe('reboots that are turned off after a cordon', () => {
  const off = { ...reboot, enabled: false };

  it('are backed out of: the policies, which learn of it first, let every mark come off', async () => {
    const { node, host } = await cluster.addNode('web-3', { settings: { ...reboot, drain: { delay: '30m' } } });
    await node.startAgent();
    await host.wantReboot('linux-image-generic');
    const cordon = async (): Promise<boolean> => (await cluster.object('web-3')).spec.unschedulable ?? false;
    await eventually('web-3 is cordoned', cordon, DEADLINE_MS);
    await installAdmissionPolicies(cluster.plane.clients, { config: { reboot: off } });
    await eventually('agents may cordon no more', async () => (await tryToCordon('web-1')) === 422, DEADLINE_MS);
    await node.agent.configure({ reboot: off });
    await eventually('web-3 is uncordoned', async () => !(await cordon()), DEADLINE_MS);
    const { metadata } = await cluster.object('web-3');
    expect(metadata.labels).toMatchObject({ 'example.com/rebooting': 'false' });
    expect([metadata.labels?.[loadBalancers], metadata.annotations?.[scaleDown]]).toEqual([undefined, undefined]);
    await eventually('the slot is free', async () => (await cluster.holders()).length === 0);
  });

  async function tryToCordon(name: string): Promise<number> {
    const { clients } = cluster.plane;
    const account = { namespace: 'nodetender', name: 'nodetender' };
    const token = await cluster.plane.serviceAccountToken(account, { pod: `nodetender-${name}` });
    const uri = `/api/v1/nodes/${name}${aTry}`;
    const { status } = await clients.apiOf({ token }).send('PATCH', uri, { spec: { unschedulable: true } }, asMerge);
    return status;
  }
});

/** Last: it is about everything above. */
describe('the audit log', () => {
  it('has no write of an agent that was refused', async () => {
    const requests = (await cluster.requests()).filter(({ uri }) => !uri.endsWith(aTry));
    const told = new Set(requests.map(({ verb, resource, subresource }) => `${verb} ${resource}/${subresource}`));
    expect(requests.filter(({ code }) => code === 403 || code === 422)).toEqual([]);
    expect([...told]).toEqual(
      expect.arrayContaining([
        'patch nodes/',
        'patch nodes/status',
        'create pods/eviction',
        'create leases/',
        'patch leases/',
        'create events/',
        'patch imagelists/',
        'patch imagelists/status',
      ]),
    );
  });
});
