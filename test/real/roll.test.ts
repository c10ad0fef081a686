import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { permissionsListed, permissionsUsed } from '../harness/permissions.ts';
import type { RebootingNode } from '../harness/rebootingnode.ts';
import { RollCluster } from '../harness/rollcluster.ts';
import type { RollWitness } from '../harness/rollwitness.ts';

/** Nodes that ask for a reboot, on a real control plane, with real agents and a real system bus. */

const names = ['web-1', 'web-2', 'web-3'];
/** An administrator has cordoned it before. */
const keptCordoned = 'web-3';
const DEADLINE_MS = 120_000;

let cluster: RollCluster;
let witness: RollWitness;

beforeAll(async () => {
  cluster = await RollCluster.launch();
  for (const name of names) await cluster.addNode(name, { cordoned: name === keptCordoned });
  witness = await cluster.witness();
  await cluster.addWorkload('shop', 4);
  await Promise.all(cluster.nodes.map(({ node }) => node.startAgent()));
});
afterAll(async () => {
  await cluster?.dispose();
});

function node(name: string): RebootingNode {
  const found = cluster.nodes.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no node ${name}`);
  return found;
}

/** The states of a node one after the other, after the first `before` that were seen of any. */
function statesOf(name: string, before = 0): string[] {
  return witness.seen.slice(before).flatMap((one) => (one.startsWith(`${name} `) ? one.slice(name.length + 1) : []));
}

async function untilIdleAgain(name: string, before = 0): Promise<void> {
  await eventually(`${name} is idle again`, () => statesOf(name, before).slice(1).at(-1) === 'idle', DEADLINE_MS);
}

async function reasons(name: string): Promise<string[]> {
  return (await node(name).node.events()).map(({ reason }) => reason);
}

/** Status and message of the condition RebootRequired. */
async function condition(name: string): Promise<{ status: string; message: string } | undefined> {
  const { status } = await cluster.object(name);
  return status.conditions.find(({ type }) => type === 'RebootRequired');
}

const wholeWay = ['wanted', 'waiting', 'cordoned', 'draining', 'rebooting', 'verifying', 'releasing', 'idle'];

describe('three nodes that ask for a reboot', () => {
  /** Reads the condition of web-1 while it is wanted. */
  let whileWanted: { status: string; message: string } | undefined;

  beforeAll(async () => {
    await conflictOnce('single', 'web-1');
    await Promise.all(cluster.nodes.map(({ host }) => host.wantReboot('linux-image-generic', 'libc6')));
    whileWanted = await eventually('the condition', () => condition('web-1'), DEADLINE_MS);
    await Promise.all(names.map((name) => untilIdleAgain(name)));
  });

  it('are rebooted once each, one at a time, over every state', () => {
    expect(witness.broken).toEqual([]);
    for (const name of names) expect(statesOf(name)).toEqual(['idle', ...wholeWay]);
    expect(cluster.nodes.map(({ reboots, host }) => [reboots, host.machine.rebootsAsked])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    const away = witness.seen.filter((one) => /cordoned|releasing/.test(one)).map((one) => one.split(' ')[0]);
    expect(away[0]).toBe(away[1]);
    expect(away[2]).toBe(away[3]);
  });

  it('take pods again, but for the one that an administrator has cordoned, and the slot is free', async () => {
    const objects = await Promise.all(names.map((name) => cluster.object(name)));
    expect(objects.map(({ spec }) => spec.unschedulable ?? false)).toEqual([false, false, true]);
    expect(await cluster.holders()).toEqual([]);
  });

  it('say why while it is wanted, and that it is not any more', async () => {
    expect(whileWanted).toMatchObject({ status: 'True' });
    expect(whileWanted?.message).toMatch(/^the host asks for it .*\(linux-image-generic, libc6\); /);
    for (const name of names) {
      await eventually(`the condition of ${name}`, async () => (await condition(name))?.status === 'False');
    }
  });

  it('tell each step by an Event', async () => {
    const told = ['RebootWaiting', 'RebootCordoned', 'RebootDraining', 'Rebooting', 'Rebooted', 'RebootDone'];
    for (const name of names) {
      await expect.poll(() => reasons(name), { timeout: 10_000 }).toEqual(expect.arrayContaining(told));
    }
  });

  it('have the boot ID that proves it in their record', async () => {
    for (const { name, host } of cluster.nodes) {
      const { metadata } = await cluster.object(name);
      expect(metadata.annotations?.['nodetender.dev/reboot-status']).toContain(host.machine.boot.bootId);
    }
  });
});

describe('a package manager that forbids a shutdown', () => {
  const apt = { what: 'shutdown', who: 'APT', why: 'APT is installing', mode: 'block', uid: 0, pid: 4711 } as const;
  const blocked = async (name: string): Promise<boolean> =>
    (await node(name).node.events()).some(
      ({ reason, note }) => reason === 'RebootBlocked' && note.includes('APT') && note.includes('4711'),
    );

  it('is told by name, and nothing is cordoned until it is done', async () => {
    const before = witness.seen.length;
    const { host } = node('web-1');
    const release = host.machine.inhibit(apt);
    await host.wantReboot('dbus');
    await eventually('the Event', () => blocked('web-1'), DEADLINE_MS);
    expect(statesOf('web-1', before)).toEqual(['wanted']);
    expect((await condition('web-1'))?.message).toContain('APT');
    release();
    await untilIdleAgain('web-1', before);
    expect(node('web-1').reboots).toBe(2);
  });

  it('is not cut off where it begins while the node drains', async () => {
    const before = witness.seen.length;
    const { host } = node('web-2');
    let release: () => void = () => undefined;
    // The last thing before the reboot that the API server sees; the bus is asked once more after it.
    cluster.proxy.add({
      times: 1,
      matches: ({ method, path, body }) =>
        method === 'PATCH' && path.startsWith('/api/v1/nodes/web-2') && body.includes('"rebooting"'),
      onStrike: () => {
        release = host.machine.inhibit(apt);
      },
    });
    await host.wantReboot('dbus');
    await eventually('it has backed out', () => statesOf('web-2', before).includes('backing-off'), DEADLINE_MS);
    const refusal = await eventually('the Event', async () =>
      (await node('web-2').node.events()).find(({ reason }) => reason === 'RebootRefused'),
    );
    expect(refusal.note).toContain('APT');
    expect([node('web-2').reboots, host.machine.rebootsAsked]).toEqual([1, 1]);
    await eventually('the slot is free', async () => (await cluster.holders()).length === 0);
    expect((await cluster.object('web-2')).spec.unschedulable ?? false).toBe(false);
    release();
  });
});

/** Last: it is about everything above. */
describe('the audit log', () => {
  it('holds every permission for reboots in the chart, and no other', async () => {
    const agent = permissionsListed('agent');
    const reboots = permissionsListed('reboots');
    const used = permissionsUsed(await cluster.requests(), [...agent, ...reboots]);
    expect(used.filter((one) => !agent.includes(one))).toEqual(reboots);
  });
});

/** A pod of which the API server says once that it is not the one that was meant, as when another has taken its name. */
async function conflictOnce(name: string, nodeName: string): Promise<void> {
  const path = '/api/v1/namespaces/default/pods';
  const containers = [{ name: 'app', image: 'registry.example/app:1' }];
  await cluster.plane.api.create(path, { metadata: { name }, spec: { nodeName, containers } });
  cluster.proxy.add({
    times: 1,
    matches: ({ path: to, body }) => to.startsWith(`${path}/${name}/eviction`) && !body.includes('dryRun'),
    refuse: { status: 409, reason: 'Conflict' },
  });
}
