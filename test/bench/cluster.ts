import { setTimeout as delay } from 'node:timers/promises';

import { AgentFleet } from '../harness/agentfleet.ts';
import { imageListPath } from '../harness/imagelistagents.ts';
import { maximum, median, quantile } from './statistics.ts';

/** Of waits, in milliseconds. */
export interface Latency {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What a cluster of many agents on one real kube-apiserver does with the wishes of people. */
export interface ClusterResult {
  readonly agents: number;
  /** From an annotation sent to its acceptance written on the Node: one node at a time, all others idle. */
  readonly single: Latency;
  /** The same on all nodes at once. */
  readonly all: Latency;
  readonly allRequests: Readonly<Record<string, number>>;
  /** From an ImageList created to the run begun on each node. */
  readonly imageList: Latency;
  /** Until its status counts all nodes. */
  readonly imageListSeconds: number;
  readonly imageListRequests: Readonly<Record<string, number>>;
}

const SINGLES = 100;
/** What the start or the step before has set off comes to rest. */
const REST_MS = 10_000;

export async function measureCluster(agents: number): Promise<ClusterResult> {
  const fleet = await AgentFleet.launch(agents);
  try {
    await delay(REST_MS);
    const singleMs: number[] = [];
    for (let index = 0; index < SINGLES; index += 1) {
      const name = fleet.names[(index * 37) % agents];
      if (name !== undefined) singleMs.push(await fleet.trigger(name, `single-${index}`));
      await delay(50);
    }
    await delay(REST_MS);
    const beforeAll = await fleet.requestCount();
    const allMs = await fleet.triggerAll('all');
    await delay(REST_MS);
    const allRequests = await fleet.requestsSince(beforeAll);
    const beforeList = await fleet.requestCount();
    const createdMs = performance.now();
    await fleet.createImageList(['*']);
    while ((await fleet.plane.api.get(imageListPath))['status'] === undefined) await delay(250);
    const imageListSeconds = (performance.now() - createdMs) / 1000;
    return {
      agents,
      single: latencyOf(singleMs),
      all: latencyOf(allMs),
      allRequests: Object.fromEntries(allRequests),
      imageList: latencyOf(fleet.imageListRunsMs.map((atMs) => atMs - createdMs)),
      imageListSeconds,
      imageListRequests: Object.fromEntries(await fleet.requestsSince(beforeList)),
    };
  } finally {
    await fleet.destroy();
  }
}

function latencyOf(waitsMs: readonly number[]): Latency {
  return { medianMs: median(waitsMs), p99Ms: quantile(waitsMs, 0.99), maxMs: maximum(waitsMs) };
}
