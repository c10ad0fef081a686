import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { nodes } from '../../../../agent/cluster/objects.ts';
import { parseConfig } from '../../../../agent/config/load.ts';
import { Asking, type SlotIs } from '../../../../agent/duties/reboot/asking.ts';
import { HostGate } from '../../../../agent/duties/reboot/hostgate.ts';
import { poolsOf } from '../../../../agent/reboot/lock/pools.ts';
import type { Blocker, Question } from '../../../../agent/reboot/state.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedHost } from '../../../emulators/host/host.ts';
import { inMemoryHostPort } from '../../../emulators/host/in-memory-port.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';

const nodeName = 'node-1';
const gates = `
reboot:
  gates: { blockingPods: [app=batch], maxUnhealthy: 0 }
  hooks: { before: { annotations: [example.com/ready], pods: [app=voter] } }
`;

let clock: VirtualClock;
let server: EmulatedApiServer;
let port: KubernetesClient;
let host: EmulatedHost;
let reportedBootId: string | undefined;
let holders: Set<string>;
let asking: Asking;
let podsChangedAtMs: number;
let checkPause: () => Promise<string | undefined>;
let stop: AbortController;
beforeEach(async () => {
  clock = new VirtualClock();
  server = new EmulatedApiServer({ clock });
  server.access.grant('agent');
  const transport = new InMemoryTransport({ server, user: 'agent', clock });
  port = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  host = new EmulatedHost({ clock });
  reportedBootId = host.boot.bootId;
  holders = new Set();
  podsChangedAtMs = Number.POSITIVE_INFINITY;
  checkPause = vi.fn(async () => await Promise.resolve(undefined));
  stop = new AbortController();
  const config = parseConfig(gates, 'test').reboot;
  asking = new Asking({
    port,
    nodeName,
    config: () => config,
    host: new HostGate({ host: inMemoryHostPort(host), nodeName, reportedBootId: () => reportedBootId, clock }),
    pools: () => poolsOf([]),
    holders: () => holders,
    podsChangedAtMs: () => podsChangedAtMs,
    notReadyBefore: () => undefined,
    checkPause: async () => await checkPause(),
    clock,
    random: () => 0.5,
  });
  await clock.run(port.create(nodes, undefined, { metadata: { name: nodeName } }));
});
afterEach(() => stop.abort());

async function blockers(question: Question, slotIs: SlotIs = 'far'): Promise<readonly Blocker[]> {
  await clock.run(asking.ask(question, slotIs, stop.signal));
  return asking.answers()[question]?.blockedBy ?? [];
}

const gatesOf = async (question: Question, slotIs: SlotIs = 'far'): Promise<string[]> =>
  (await blockers(question, slotIs)).map(({ gate }) => gate);

function refuse(resource: string): void {
  server.faults.add({ matches: (arrival) => arrival.resource === resource, refuse: { status: 403 } });
}

describe('what is asked before a reboot', () => {
  it('blocks where it cannot be answered: pods that may not be listed could be in the way', async () => {
    expect(await gatesOf('gates')).toEqual([]);
    refuse('pods');
    expect(await blockers('gates')).toEqual([{ gate: 'pods', reason: 'the pods of this node are not known' }]);
  });

  it('is no yes of voters that cannot be heard', async () => {
    refuse('pods');
    refuse('nodes');
    expect((await blockers('before-reboot')).map(({ gate, reason }) => `${gate}: ${reason}`)).toEqual([
      'example.com/ready: the annotation example.com/ready of the Node is not known',
      'app=voter: the pods of this node are not known',
    ]);
  });

  it('is denied where this host is not that of the Node, before the host is asked to do anything', async () => {
    reportedBootId = 'another';
    expect((await blockers('gates'))[0]?.reason).toContain('this host is not the one that Node node-1 reports');
  });

  it('is denied while a package manager is at work, and while the host answers nothing', async () => {
    host.inhibit({ what: 'shutdown', who: 'apt', why: 'unpacking', mode: 'block', uid: 0, pid: 7 });
    expect(await gatesOf('gates')).toEqual(['inhibitors']);
    host.hangs = true;
    expect(await gatesOf('gates')).toEqual(['host']);
  });

  it('is the health of the pool only with a slot in sight; those who are away for a reboot are not ill', async () => {
    await clock.run(port.create(nodes, undefined, { metadata: { name: 'node-2' } }));
    expect(await gatesOf('gates', 'far')).toEqual([]);
    expect(await gatesOf('gates', 'held')).toEqual(['pool-health']);
    holders.add('node-2');
    expect(await gatesOf('gates', 'held')).toEqual([]);
    refuse('nodes');
    expect(await gatesOf('gates', 'held')).toEqual(['pool-health']);
  });
});

it('is denied by a pause of all that only a list shows, or that cannot be asked for; far from a slot nobody asks', async () => {
  await blockers('gates', 'near');
  expect(checkPause).not.toHaveBeenCalled();
  expect(await blockers('gates', 'held')).toEqual([]);
  checkPause = async () => await Promise.resolve('a freeze');
  expect(await blockers('gates', 'held')).toEqual([
    { gate: 'pause', reason: 'reboots are paused on all nodes: a freeze' },
  ]);
  checkPause = async () => await Promise.reject(new Error('no answer'));
  expect(await blockers('gates', 'held')).toEqual([
    { gate: 'pause', reason: 'it is not known whether all nodes are paused: no answer' },
  ]);
});

it('does not list its pods again while a watch tells of no change, for ten minutes; with a slot in hand it always does', async () => {
  podsChangedAtMs = -1;
  const list = vi.spyOn(port, 'list');
  const lists = (): number => list.mock.calls.filter(([resource]) => resource.plural === 'pods').length;
  await blockers('gates');
  await clock.advance(60_000);
  await blockers('gates');
  expect(lists()).toBe(1);
  await blockers('gates', 'held');
  expect(lists()).toBe(2);
  podsChangedAtMs = clock.monotonicMs();
  await blockers('gates', 'near');
  expect(lists()).toBe(3);
  podsChangedAtMs = -1;
  await clock.advance(10 * 60_000);
  await blockers('gates');
  expect(lists()).toBe(4);
});

it('an answer ages from the moment in which it was asked for, and one that was cut short is none', async () => {
  await blockers('gates');
  await clock.advance(5_000);
  expect(asking.answers().gates).toMatchObject({ askedAgoMs: 5_000, answeredAgoMs: 5_000 });
  expect(asking.answers().health).toBeUndefined();
  stop.abort();
  await expect(asking.ask('health', 'far', stop.signal)).rejects.toThrow('abort');
  expect(asking.answers().health).toBeUndefined();
});
