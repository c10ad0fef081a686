import { readFile, writeFile } from 'node:fs/promises';

import { generations } from '../harness/components.ts';
import type { DrainResult } from './draining.ts';
import type { EvictionResult } from './evictions.ts';
import type { HandoverResult } from './handover.ts';
import type { ClusterResult, Latency } from './cluster.ts';
import type { PlanningResult } from './planning.ts';
import type { RemovalResult } from './removal.ts';
import { maximum, median } from './statistics.ts';

/** Everything measured, as docs/performance.json keeps it. */
export interface Measurements {
  readonly takenAt: string;
  readonly machine: string;
  readonly small?: readonly RemovalResult[];
  readonly smallOnDisk?: readonly RemovalResult[];
  readonly large?: readonly RemovalResult[];
  readonly planning?: readonly PlanningResult[];
  readonly drain?: readonly DrainResult[];
  readonly handover?: readonly HandoverResult[];
  readonly evictions?: readonly EvictionResult[];
  readonly cluster?: ClusterResult;
  /** The memory bench writes its own table: of the agent of a plain host, and of the one of a Node with 110 pods. */
  readonly memory?: string;
  readonly clusterMemory?: string;
  /** And that of a day with reboots on. */
  readonly dayMemory?: string;
}

/** The tables of docs/performance.md. */
export function tables(measurements: Measurements): string {
  const {
    takenAt,
    machine,
    small,
    smallOnDisk,
    large,
    planning,
    cluster,
    drain,
    handover,
    evictions,
    memory,
    clusterMemory,
    dayMemory,
  } = measurements;
  const sections = [`Measured on ${takenAt.slice(0, 10)}: ${machine}.`];
  if (small) sections.push('### Small images, the store in memory', removalTable(small));
  if (smallOnDisk) sections.push('### Small images, the store on the disk', removalTable(smallOnDisk));
  if (large) sections.push('### Images of many files', removalTable(large));
  if (small) sections.push(eventLoop(small));
  if (planning) sections.push('### Planning', planning.map(planningLine).join('\n'));
  if (drain) sections.push('### Drains', drainTable(drain));
  if (handover) sections.push('### Handing a slot on', handoverTable(handover));
  if (evictions) sections.push('### Evictions confined to a node', evictionTable(evictions));
  if (cluster) sections.push(`### A cluster of ${cluster.agents} agents`, clusterTable(cluster));
  if (memory !== undefined) sections.push('### Memory of the agent', memory.trim());
  if (clusterMemory !== undefined) {
    const heading = '### Memory of the agent of a Node with 110 pods';
    sections.push(
      heading,
      'It follows a real API server, on which 10 of the pods change in each cycle.',
      clusterMemory.trim(),
    );
  }
  if (dayMemory !== undefined) {
    sections.push(
      '### Memory over a day with everything on',
      'A Node with 110 pods on a real API server, two of which change each minute, and 100 images more every hour. For two of every four hours the host asks for a reboot: through window, gates, hooks, messages, lock, cordon and drain, up to a logind that refuses. The day passes in minutes, without the pauses in which a heap shrinks.',
      dayMemory.trim(),
    );
  }
  return sections.join('\n\n');
}

/** What the README shows of them. */
export function summary({ takenAt, machine, small, drain, handover }: Measurements): string {
  const sections: string[] = [];
  if (small) sections.push(removalTable(small));
  if (drain) sections.push('A node with 100 pods, drained:', drainTable(drain));
  if (handover) sections.push(handoverTable(handover));
  sections.push(`Measured on ${takenAt.slice(0, 10)}: ${machine}.`);
  return sections.join('\n\n');
}

const header = [
  '| containerd | way | seconds | | its CPU seconds | GB written | beside pods: seconds | pod start, median / max ms |',
  '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
];

/** One row for each strategy on each containerd, under one for pods that start while nothing is removed. */
function removalTable(results: readonly RemovalResult[]): string {
  const rows: string[] = [];
  for (const generation of generations) {
    const ofGeneration = results.filter((result) => result.generation === generation);
    const idle = ofGeneration.flatMap(({ pods }) => pods?.idle.startMs ?? []);
    if (idle.length > 0) rows.push(row([generation, 'nothing removed', '', '', '', '', '', starts(idle)]));
    for (const strategy of new Set(ofGeneration.map((result) => result.strategy))) {
      const alone = ofGeneration.find((result) => result.strategy === strategy && result.pods === undefined);
      const beside = ofGeneration.find((result) => result.strategy === strategy && result.pods !== undefined);
      rows.push(
        row([
          generation,
          strategy,
          alone?.seconds.toFixed(1),
          factor(alone, ofGeneration[0]),
          alone?.cpuSeconds.toFixed(1),
          alone && (alone.writtenBytes / 1e9).toFixed(1),
          beside?.seconds.toFixed(1),
          beside?.pods && starts(beside.pods.during.startMs),
        ]),
      );
    }
  }
  const [first] = results;
  const files = first && first.filesPerImage > 0 ? ` of ${first.filesPerImage} files each` : '';
  return [`Removal of ${first?.images} unused images${files}:`, '', ...header, ...rows].join('\n');
}

function row(cells: readonly (string | undefined)[]): string {
  return `| ${cells.map((cell) => cell ?? '').join(' | ')} |`;
}

/** How many times as fast as the first one measured, which is one at a time. */
function factor(result: RemovalResult | undefined, first: RemovalResult | undefined): string {
  return result && first && result.strategy !== first.strategy
    ? `${(first.seconds / result.seconds).toFixed(1)} ×`
    : '';
}

function starts(startMs: readonly number[]): string {
  return `${median(startMs).toFixed(0)} / ${maximum(startMs).toFixed(0)}`;
}

function eventLoop(results: readonly RemovalResult[]): string {
  const delays = results.flatMap(({ eventLoopDelayMs, pods }) =>
    eventLoopDelayMs === undefined || pods !== undefined ? [] : [eventLoopDelayMs],
  );
  return `The agent's event loop meanwhile: 99 of 100 turns were delayed by less than ${maximum(delays).toFixed(0)} ms.`;
}

function planningLine({ policy, images, containers, firstMs, medianMs, maxMs }: PlanningResult): string {
  const times = `${medianMs.toFixed(1)} ms once warm (median of 50; longest ${maxMs.toFixed(1)}), ${firstMs.toFixed(1)} the first time`;
  return `- Deciding over ${images} images and ${containers} containers by ${policy}: ${times}.`;
}

function drainTable(results: readonly DrainResult[]): string {
  const rows = results.map(({ load, pods, way, seconds, requests, refused }) =>
    row([
      load,
      String(pods),
      way,
      median(seconds).toFixed(1),
      maximum(seconds).toFixed(1),
      median(requests).toFixed(0),
      median(refused).toFixed(0),
    ]),
  );
  return [
    '| load | pods | way | seconds, median | longest | requests | refused by budgets |',
    '| --- | ---: | --- | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

function handoverTable(results: readonly HandoverResult[]): string {
  const rows = results.map((result) =>
    row([
      String(result.waiters),
      String(result.handovers),
      `${result.medianMs.toFixed(0)} / ${result.p99Ms.toFixed(0)} / ${result.longestMs.toFixed(0)}`,
      `${result.meanLostWrites.toFixed(2)} / ${result.mostLostWrites}`,
      String(result.mostPlacesOff),
      String(result.lostAtFirst),
    ]),
  );
  return [
    'From the start of a release to the next node that is sure of its slot, one slot, on one kube-apiserver, all waiters in one process:',
    '',
    '| nodes waiting | hand-overs | ms: median / 99 of 100 / longest | lost writes: mean / most | most places off the queue’s head | lost writes when all begin at once |',
    '| ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    row(['kured, any number', '', `${(KURED_PERIOD_MS / 2).toFixed(0)} (expected)`, '', '', '']),
  ].join('\n');
}

/** Every node looks once in a period, at a time of its own: the lock stands idle for half of it on average. */
const KURED_PERIOD_MS = 3_600_000;

function evictionTable(results: readonly EvictionResult[]): string {
  const rows = results.map(({ pods, way, medianMs, longestMs, cpuMs, together, peakMb }) => {
    const { asked, answered, seconds } = together;
    return row([
      pods.toLocaleString('en'),
      way,
      `${medianMs.toFixed(0)} / ${longestMs.toFixed(0)}`,
      cpuMs.toFixed(0),
      answered === asked ? seconds.toFixed(1) : `${answered} answered within 30`,
      peakMb.toFixed(0),
    ]);
  });
  return [
    '| pods in the namespace | evictions | one, ms: median / longest | CPU of the API server for it, ms | ten at once, s | memory of the API server, MB |',
    '| ---: | --- | ---: | ---: | ---: | ---: |',
    ...rows,
  ].join('\n');
}

function clusterTable(result: ClusterResult): string {
  const { single, all, allRequests, imageList, imageListSeconds, imageListRequests } = result;
  const cells = (what: string, { medianMs, p99Ms, maxMs }: Latency): string =>
    row([what, medianMs.toFixed(0), p99Ms.toFixed(0), maxMs.toFixed(0)]);
  const counts = (requests: Readonly<Record<string, number>>): string =>
    Object.entries(requests)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ');
  return [
    '| from the wish to its acceptance, ms | median | p99 | longest |',
    '| --- | ---: | ---: | ---: |',
    cells('an annotation on one node, all others idle', single),
    cells('an annotation on every node at once', all),
    cells('an ImageList, to its run on each node', imageList),
    '',
    `Requests for the annotation on every node: ${counts(allRequests)}.`,
    '',
    `The ImageList is counted on all nodes after ${imageListSeconds.toFixed(1)} s, with ${counts(imageListRequests)}.`,
  ].join('\n');
}

const START = '<!-- bench:start -->';
const END = '<!-- bench:end -->';

/** Replaces what stands between the markers. */
export async function fillIn(path: URL, text: string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const start = before.indexOf(START);
  const end = before.indexOf(END);
  if (start === -1 || end < start) throw new Error(`${path.pathname} has no ${START} … ${END}`);
  await writeFile(path, `${before.slice(0, start + START.length)}\n\n${text}\n\n${before.slice(end)}`);
}
