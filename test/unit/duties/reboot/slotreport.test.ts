import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { leases, nodes } from '../../../../agent/cluster/objects.ts';
import { SlotReport } from '../../../../agent/duties/reboot/slotreport.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import type { HeldSlot } from '../../../../agent/reboot/lock/holders.ts';
import { type Slot, viewOfSlot } from '../../../../agent/reboot/lock/slot.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';

const MINUTE_MS = 60_000;
const comesBackWithinMs = 40 * MINUTE_MS;

let clock: VirtualClock;
let server: EmulatedApiServer;
let port: KubernetesClient;
let stop: AbortController;
let warned: string[];
let held: (readonly HeldSlot[] | undefined)[];
let isFollowing: boolean;
beforeEach(() => {
  clock = new VirtualClock();
  server = new EmulatedApiServer({ clock });
  server.access.grant('agent');
  const transport = new InMemoryTransport({ server, user: 'agent', clock });
  port = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  stop = new AbortController();
  warned = [];
  held = [];
  isFollowing = false;
});
afterEach(() => stop.abort());

/** The report of an idle agent, or of one that follows the slots. */
function reporting(random = 0.5): SlotReport {
  const report = new SlotReport({
    port,
    namespace: 'default',
    nodeName: 'node-9',
    followed: () => (isFollowing ? slots() : undefined),
    limits: () => ({
      comesBackWithinMs,
      holdsAtMostMs: 120 * MINUTE_MS,
      pools: new Set(['workers']),
    }),
    warn: ({ name, uid }, note, identity) => void warned.push(`${name} ${uid}: ${note} [${identity}]`),
    watcher: { slotsSeen: (seen) => void held.push(seen) },
    onChange: () => undefined,
    clock,
    random: () => random,
    log: createLogger({ level: 'error', stream: { write: () => undefined } }),
  });
  void report.work(stop.signal);
  return report;
}

function slots(): Slot[] {
  const stored = server.store.list(server.resource('leases', 'coordination.k8s.io'));
  return stored.map((lease) => viewOfSlot(lease as never));
}

/** A node that takes the slot now and is not heard of again. */
async function takenBy(name: string): Promise<string> {
  const { metadata } = await clock.run(port.create(nodes, undefined, { metadata: { name } }));
  const status = { conditions: [{ type: 'Ready', status: 'Unknown' }] };
  await clock.run(port.patch(nodes, { name }, { type: 'merge', body: { status }, subresource: 'status' }));
  const at = new Date(clock.nowMs()).toISOString().replace('Z', '000Z');
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name, uid: metadata.uid }];
  const labels = { 'nodetender.dev/pool': 'workers' };
  await clock.run(
    port.create(leases, 'default', {
      metadata: { name: 'nodetender-workers-0', labels, ownerReferences },
      spec: { holderIdentity: name, acquireTime: at, renewTime: at },
    }),
  );
  return metadata.uid;
}

describe('a slot whose holder never came back', () => {
  it('is noticed by an idle agent within half an hour, told once, and followed from then on', async () => {
    const uid = await takenBy('node-1');
    const report = reporting();
    await clock.advance(comesBackWithinMs - MINUTE_MS);
    expect([warned, report.isWorthFollowing]).toEqual([[], false]);
    await clock.advance(32 * MINUTE_MS);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain(`node-1 ${uid}: node node-1 holds nodetender-workers-0 for`);
    expect(warned[0]).toContain('nodetender lock release nodetender-workers-0');
    expect(report.isWorthFollowing).toBe(true);
    // Figures of half an hour ago would go on to accuse a node that has come back since.
    expect(held.every((seen) => seen === undefined)).toBe(true);
    isFollowing = true;
    await clock.advance(10 * MINUTE_MS);
    expect(held.at(-1)).toMatchObject([{ node: 'node-1', problem: { code: 'never-came-back' } }]);
    expect(warned).toHaveLength(1);
  });

  it.each([
    ['says nothing of when it was taken', { acquireTime: null, renewTime: null }],
    ['speaks of a time that is yet to come', { renewTime: '2099-01-01T00:00:00.000000Z' }],
  ])('is noticed also where its Lease %s', async (_, spec) => {
    await takenBy('node-1');
    const target = { namespace: 'default', name: 'nodetender-workers-0' };
    await clock.run(port.patch(leases, target, { type: 'merge', body: { spec } }));
    const report = reporting();
    await clock.advance(comesBackWithinMs + 70 * MINUTE_MS);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(/node-1 holds nodetender-workers-0 for \d+ min/);
    expect(report.isWorthFollowing).toBe(true);
  });

  it('is noticed also where somebody has taken the label of its Lease away', async () => {
    await takenBy('node-1');
    const target = { namespace: 'default', name: 'nodetender-workers-0' };
    await clock.run(port.patch(leases, target, { type: 'merge', body: { metadata: { labels: null } } }));
    reporting();
    await clock.advance(comesBackWithinMs + 32 * MINUTE_MS);
    expect(warned).toHaveLength(1);
  });

  it('is told under the same identity by every agent that sees it, so that the API server keeps one Event', async () => {
    await takenBy('node-1');
    for (const chance of [0.1, 0.9]) reporting(chance);
    await clock.advance(comesBackWithinMs + 35 * MINUTE_MS);
    expect(warned).toHaveLength(2);
    const [one, other] = warned.map((text) => /\[.*\]/.exec(text)?.[0]);
    expect(one).toBe(other);
  });

  it('is no longer worth a word when it has been given back', async () => {
    await takenBy('node-1');
    isFollowing = true;
    const report = reporting();
    await clock.advance(comesBackWithinMs + 2 * MINUTE_MS);
    expect(report.isWorthFollowing).toBe(true);
    const target = { namespace: 'default', name: 'nodetender-workers-0' };
    await clock.run(port.patch(leases, target, { type: 'merge', body: { spec: { holderIdentity: '' } } }));
    await clock.advance(2 * MINUTE_MS);
    expect([report.isWorthFollowing, held.at(-1)]).toEqual([false, []]);
  });
});

describe('what it costs', () => {
  const requests = (): number => server.faults.arrivals.length;

  it('is two requests an hour while nothing is wrong, and none while the slots are followed', async () => {
    reporting();
    await clock.advance(10 * 60 * MINUTE_MS);
    expect(requests()).toBeLessThanOrEqual(20);
    expect(requests()).toBeGreaterThan(10);
    isFollowing = true;
    await clock.advance(MINUTE_MS);
    server.faults.forgetArrivals();
    await clock.advance(10 * 60 * MINUTE_MS);
    expect(requests()).toBe(0);
  });

  it('is two an hour more for a holder that is overdue', async () => {
    await takenBy('node-1');
    isFollowing = true;
    reporting();
    await clock.advance(comesBackWithinMs);
    server.faults.forgetArrivals();
    await clock.advance(10 * 60 * MINUTE_MS);
    expect(requests()).toBeLessThanOrEqual(21);
    expect(requests()).toBeGreaterThan(15);
  });
});

it('nothing is said of a holder whose Node cannot be read', async () => {
  await takenBy('node-1');
  isFollowing = true;
  server.faults.add({
    matches: ({ resource, verb }) => resource === 'nodes' && verb === 'get',
    refuse: { status: 403 },
  });
  reporting();
  await clock.advance(comesBackWithinMs + 10 * MINUTE_MS);
  expect(warned).toEqual([]);
});
