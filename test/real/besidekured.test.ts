import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { holderOfKuredsLock, installKured, KuredPod, type KuredOptions } from '../harness/kuredpod.ts';
import { commandsOfPage } from '../harness/page.ts';
import { PageShell } from '../harness/pageshell.ts';
import type { RebootingNode } from '../harness/rebootingnode.ts';
import { RollCluster } from '../harness/rollcluster.ts';
import type { RollWitness } from '../harness/rollwitness.ts';
import { standInAnnotations } from '../harness/standinnodes.ts';

/**
 * docs/from-kured.md where it says what becomes of a node that both care for: real agents and a real API server, with kured played by
 * the rules of its source. The commands of that page are typed line by line in pages.test.ts.
 */

const DEADLINE_MS = 120_000;
const lease = '/apis/coordination.k8s.io/v1/namespaces/nodetender/leases/nodetender-default-0';
const steps = commandsOfPage('from-kured.md').get('The move, step by step') ?? [];
const takeLock =
  steps.find((line) => line.includes('annotate -n kube-system daemonset kured') && line.includes('=')) ?? 'false';
const giveLockBack = steps.find((line) => line.endsWith('weave.works/kured-node-lock-')) ?? 'false';

let cluster: RollCluster;
let witness: RollWitness;
let shell: PageShell;

/** Reboots are off on the first. */
const names = ['off-1', 'web-1', 'web-2'];

beforeAll(async () => {
  cluster = await RollCluster.launch();
  await installKured(cluster.plane);
  shell = await PageShell.open(cluster.plane);
  for (const name of names) await cluster.addNode(name, name === 'off-1' ? { settings: { enabled: false } } : {});
  witness = await cluster.witness();
});
afterAll(async () => {
  await cluster?.dispose();
});

function node(name: string): RebootingNode {
  const found = cluster.nodes.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is no node ${name}`);
  return found;
}

function kuredOn(name: string, options: KuredOptions = {}): KuredPod {
  return new KuredPod(cluster.plane, node(name), options);
}

async function isCordoned(name: string): Promise<boolean> {
  return (await cluster.object(name)).spec.unschedulable ?? false;
}

async function untilBooted(name: string, boots: number): Promise<void> {
  await eventually(`${name} has booted`, () => node(name).reboots === boots, DEADLINE_MS);
}

/** Nothing is under way any more. Gives how many states were seen until now. */
async function untilAtRest(): Promise<number> {
  const last = (name: string): string | undefined => statesOf(name, 0).at(-1);
  const isAtRest = async (): Promise<boolean> =>
    names.every((name) => last(name) === 'idle') && (await cluster.holders()).length === 0;
  await eventually('all nodes are idle', isAtRest, DEADLINE_MS);
  return witness.seen.length;
}

/** The states of a node one after the other, after the first `before` that were seen of any. */
function statesOf(name: string, before: number): string[] {
  return witness.seen.slice(before).flatMap((one) => (one.startsWith(`${name} `) ? one.slice(name.length + 1) : []));
}

async function untilState(name: string, state: string, before: number): Promise<void> {
  await eventually(`${name} is ${state}`, () => statesOf(name, before).includes(state), DEADLINE_MS);
}

async function reasonsOf(name: string): Promise<string[]> {
  return (await node(name).node.events()).map(({ reason }) => reason);
}

/** A pod that no drain gets rid of. */
async function addPodThatStays(nodeName: string): Promise<void> {
  await cluster.plane.api.create('/api/v1/namespaces/default/pods', {
    metadata: { name: `stays-${nodeName}`, annotations: { [standInAnnotations.endsAfterMs]: 'never' } },
    spec: { nodeName, containers: [{ name: 'app', image: 'registry.example/app:1' }] },
  });
}

async function removePodThatStays(nodeName: string): Promise<void> {
  await cluster.plane.kubectl('delete', 'pod', `stays-${nodeName}`, '--force', '--grace-period=0');
}

describe('with reboots off here', () => {
  it('kured drains and reboots a node, and nothing is cordoned, evicted or locked by the agent on it', async () => {
    const { host, node: member } = node('off-1');
    await member.startAgent();
    await host.wantReboot('libc6');
    const kured = kuredOn('off-1');
    expect(await kured.look()).toBe('reboots');
    expect(await holderOfKuredsLock(cluster.plane)).toBe('off-1');
    await untilBooted('off-1', 1);
    expect(await isCordoned('off-1')).toBe(true);
    await kured.start();
    expect([await isCordoned('off-1'), await holderOfKuredsLock(cluster.plane)]).toEqual([false, undefined]);
    expect([host.machine.rebootsAsked, statesOf('off-1', 0)]).toEqual([1, ['idle']]);
    const asked = (await cluster.requests()).map(
      ({ verb, resource, subresource }) => `${verb} ${resource}/${subresource}`,
    );
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((one) => /eviction|(create|patch|update) leases/.test(one))).toEqual([]);
  });
});

describe('with kured’s lock taken as the page says', () => {
  beforeAll(async () => {
    await Promise.all(['web-1', 'web-2'].map((name) => node(name).node.startAgent()));
    await shell.type(takeLock);
  });

  it('no kured reboots, whatever its --lock-ttl, and the agents do, one at a time', async () => {
    const before = await untilAtRest();
    const two = ['web-1', 'web-2'];
    const kureds = two.flatMap((name) => [kuredOn(name), kuredOn(name, { lockTtlMs: 60_000 })]);
    await Promise.all(two.map((name) => node(name).host.wantReboot('libc6')));
    const looks = new Set<string>();
    await eventually(
      'both have rebooted',
      async () => {
        for (const kured of kureds) looks.add(await kured.look());
        return two.every((name) => statesOf(name, before).includes('idle'));
      },
      DEADLINE_MS,
    );
    expect([...looks].toSorted()).toEqual(['not its turn', 'not wanted']);
    for (const name of two) {
      const { machine } = node(name).host;
      expect([node(name).reboots, machine.rebootsAsked, await isCordoned(name)]).toEqual([1, 1, false]);
    }
    expect([witness.broken, await holderOfKuredsLock(cluster.plane)]).toEqual([[], 'nodetender']);
  });

  it('kured gets it again when it is given back', async () => {
    await shell.type(giveLockBack);
    expect(await kuredOn('web-1').acquire()).toBe(true);
    await kuredOn('web-1').start();
    expect(await holderOfKuredsLock(cluster.plane)).toBeUndefined();
  });
});

describe('where both reboot', () => {
  it('neither heeds the other’s lock: two nodes are away together', async () => {
    const before = await untilAtRest();
    const boots = node('web-2').reboots + 1;
    expect(await kuredOn('web-1').acquire()).toBe(true);
    await node('web-2').host.wantReboot('libc6');
    await untilBooted('web-2', boots);
    await untilState('web-2', 'releasing', before);
    expect(await holderOfKuredsLock(cluster.plane)).toBe('web-1');
    await kuredOn('web-1').start();
  });

  it('kured has cordoned a node: to the agent that is a person’s cordon, and it stays', async () => {
    const before = await untilAtRest();
    const { host, reboots } = node('web-1');
    const kured = kuredOn('web-1');
    expect(await kured.acquire()).toBe(true);
    await cluster.plane.kubectl('cordon', 'web-1');
    await host.wantReboot('libc6');
    await untilBooted('web-1', reboots + 1);
    await untilState('web-1', 'releasing', before);
    expect(await isCordoned('web-1')).toBe(true);
    await kured.start();
    expect(await isCordoned('web-1')).toBe(false);
  });

  it('kured reboots a node that waits for a slot: the boot ID shows it, and nothing more is wanted', async () => {
    const before = await untilAtRest();
    await cluster.plane.api.merge(lease, { spec: { holderIdentity: 'off-1' } });
    const { host, reboots } = node('web-1');
    const asked = host.machine.rebootsAsked;
    const told = (await reasonsOf('web-1')).filter((reason) => reason === 'Rebooted').length;
    await host.wantReboot('libc6');
    await untilState('web-1', 'waiting', before);
    const kured = kuredOn('web-1');
    expect(await kured.look()).toBe('reboots');
    await untilBooted('web-1', reboots + 1);
    await kured.start();
    await untilState('web-1', 'idle', before);
    await eventually(
      'it is told',
      async () => (await reasonsOf('web-1')).filter((reason) => reason === 'Rebooted').length > told,
    );
    expect([host.machine.rebootsAsked, await isCordoned('web-1')]).toEqual([asked + 1, false]);
    await cluster.plane.api.merge(lease, { spec: { holderIdentity: '' } });
  });

  it('kured gets its lock for a node that the agent has cordoned: it leaves the cordon, and the agent takes it back', async () => {
    const before = await untilAtRest();
    const { host, reboots } = node('web-1');
    const asked = host.machine.rebootsAsked;
    await addPodThatStays('web-1');
    await host.wantReboot('libc6');
    await untilState('web-1', 'draining', before);
    const kured = kuredOn('web-1', { drainTimeoutSeconds: 2, forceReboot: true });
    expect(await kured.look()).toBe('reboots');
    await untilBooted('web-1', reboots + 1);
    await removePodThatStays('web-1');
    await untilState('web-1', 'releasing', before);
    await kured.start();
    await untilState('web-1', 'idle', before);
    expect([host.machine.rebootsAsked, await isCordoned('web-1')]).toEqual([asked + 1, false]);
  });

  it('kured uncordons a node before the agent has rebooted it: the agent backs out', async () => {
    const before = await untilAtRest();
    const { host, reboots } = node('web-2');
    const kured = kuredOn('web-2', { drainTimeoutSeconds: 5 });
    await addPodThatStays('web-2');
    // Before the cordon, which it would remember.
    expect(await kured.acquire()).toBe(true);
    await host.wantReboot('libc6');
    await untilState('web-2', 'draining', before);
    expect(await kured.look()).toBe('not drained');
    await untilState('web-2', 'backing-off', before);
    await eventually('it is told', async () => (await reasonsOf('web-2')).includes('RebootUncordoned'));
    await eventually('the slot is free', async () => (await cluster.holders()).length === 0, DEADLINE_MS);
    expect([node('web-2').reboots, await isCordoned('web-2')]).toEqual([reboots, false]);
  });
});
