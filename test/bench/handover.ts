import { setTimeout as delay } from 'node:timers/promises';

import { stateLabel } from '../../agent/cluster/names.ts';
import type { Api } from '../harness/api.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { inLanes } from '../harness/lanes.ts';
import { maximum, quantile } from './statistics.ts';
import { queuedAt, Waiter } from './waiter.ts';

export interface HandoverResult {
  readonly waiters: number;
  readonly handovers: number;
  /** From the moment when a holder begins to give its slot back to the next one's certainty that it has it. */
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  /** Writes of all waiters that came too late, for one hand-over; the most there were, and on average. */
  readonly mostLostWrites: number;
  readonly meanLostWrites: number;
  /** Places in the queue that whoever got the slot was away from its head. */
  readonly mostPlacesOff: number;
  /** Writes that came too late when the very first slot was there for all at once. */
  readonly lostAtFirst: number;
}

/** A holder keeps its slot for minutes; here until every waiter has seen that it is taken. */
const HOLD_MS = { least: 300, perWaiter: 0.5 };

/** Waiters of one pool in this process, a connection each, on a kube-apiserver beside it; at most so many hand-overs. */
export async function measureHandover(waiters: number, mostHandovers: number): Promise<HandoverResult> {
  // Each agent of a real cluster has an address of its own; here all share one, and one user.
  const plane = await ControlPlane.launch({ apiServerFlags: ['--max-requests-inflight=3000'] });
  const all: Waiter[] = [];
  try {
    const kubeconfig = await plane.clients.kubeconfigFile('agent');
    const names = Array.from({ length: waiters + 1 }, (_, index) => `node-${String(index).padStart(4, '0')}`);
    await inLanes(names, async (name) => {
      const uid = await createWaitingNode(plane.api, name, names.indexOf(name));
      all.push(await Waiter.start(kubeconfig, name, uid));
    });
    return await handOver(all, mostHandovers, plane.api);
  } finally {
    await inLanes(all, (waiter) => waiter.stop());
    await plane.destroy();
  }
}

async function handOver(waiters: readonly Waiter[], mostHandovers: number, api: Api): Promise<HandoverResult> {
  const queue = waiters.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const tookMs: number[] = [];
  const lost: number[] = [];
  const placesOff: number[] = [];
  const lostSoFar = (): number => waiters.reduce((sum, waiter) => sum + waiter.lostWrites, 0);
  const next = async (): Promise<Waiter> => {
    const holder = await Promise.race(queue.map((waiter) => waiter.acquired));
    placesOff.push(queue.indexOf(holder));
    queue.splice(queue.indexOf(holder), 1);
    return holder;
  };

  for (const waiter of waiters) waiter.want();
  let holder = await next();
  await delay(HOLD_MS.least + HOLD_MS.perWaiter * waiters.length);
  const lostAtFirst = lostSoFar();
  placesOff.length = 0;
  while (queue.length > 0 && tookMs.length < mostHandovers) {
    await leaveQueue(api, holder);
    await holder.confirm();
    await delay(HOLD_MS.least + HOLD_MS.perWaiter * waiters.length);
    const lostBefore = lostSoFar();
    const startedMs = performance.now();
    const [successor] = await Promise.all([next(), holder.release()]);
    tookMs.push(successor.acquiredAtMs - startedMs);
    await delay(HOLD_MS.least);
    lost.push(lostSoFar() - lostBefore);
    holder = successor;
  }
  return {
    waiters: waiters.length - 1,
    handovers: tookMs.length,
    medianMs: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    longestMs: maximum(tookMs),
    mostLostWrites: maximum(lost),
    meanLostWrites: lost.reduce((sum, count) => sum + count, 0) / lost.length,
    mostPlacesOff: maximum(placesOff),
    lostAtFirst,
  };
}

/** As the machine does it with the cordon. */
async function leaveQueue(api: Api, { name }: Waiter): Promise<void> {
  const body = { metadata: { labels: { [stateLabel]: 'cordoned' } }, spec: { unschedulable: true } };
  await api.merge(`/api/v1/nodes/${name}`, body);
}

async function createWaitingNode(api: Api, name: string, place: number): Promise<string> {
  const annotations = {
    [queuedAt]: String(place),
    // What a Node of a real cluster carries besides.
    'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
    'csi.volume.kubernetes.io/nodeid': JSON.stringify({ 'storage.example': `i-${name}`.padEnd(200, '0') }),
    'nodetender.dev/status': JSON.stringify({ text: 'a run is under way'.padEnd(500, ' ') }),
  };
  const labels = {
    [stateLabel]: 'waiting',
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'node.kubernetes.io/instance-type': 'large',
    'topology.kubernetes.io/zone': 'zone-a',
  };
  const { metadata } = await api.create('/api/v1/nodes', { metadata: { name, labels, annotations } });
  return String((metadata as { readonly uid?: unknown }).uid);
}
