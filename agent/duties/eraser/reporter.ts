import type { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import type { Note } from '../../cluster/events.ts';
import { annotationPrefix } from '../../cluster/names.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { ImageListResult } from '../../cluster/records.ts';
import { ClusterError } from '../../cluster/errors.ts';
import { isNodetenderError } from '../../errors.ts';
import type { Logger } from '../../observe/log.ts';
import { type ImageListView, imageLists, runAnnotation } from '../../eraser/imagelist.ts';
import type { Bequest, ReporterLease } from './lease.ts';
import type { NodeFilter } from '../../node/filter.ts';
import { reportedNodes } from './nodes.ts';
import { inUseNote, refusedNote } from '../../eraser/notes.ts';
import type { Handled } from '../../eraser/handled.ts';
import type { RecordedRoster } from '../../eraser/rosters.ts';
import { encodeRun, nextStep, type RunRecord } from '../../eraser/run.ts';
import {
  closed,
  type NodeCounts,
  type ReportedNode,
  type Roster,
  rosterOf,
  type Tally,
  tally,
} from '../../eraser/tally.ts';

export interface ReporterOptions {
  readonly port: KubernetesPort;
  readonly lease: ReporterLease;
  readonly lists: () => readonly ImageListView[];
  /** Rung when a list changes; only heard while this agent reports. */
  readonly bell: Bell;
  readonly settings: () => { readonly filter: NodeFilter; readonly timeoutMs: number };
  readonly tell: (note: Note) => void;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** The Lease, and the mark on a list under way, by which the other agents see that somebody counts. */
const heartbeatMs = 10_000;
/** A thousand nodes report in a few seconds: they are counted together. */
const roundMs = 250;
/** No more than one status is written a second, however many lists there are. */
const statusGapMs = 1_000;
/** Who takes up a run may have been as cut off as the nodes were, whose results then come with their next try. */
const graceMs = 120_000;
/** A first list of all nodes; longer than the port's own deadline. */
const firstListMs = 60_000;

/** A run that is being counted by this agent. */
interface Counting {
  readonly deadlineMs: number;
  readonly roster: Roster;
  reports: ReadonlyMap<string, ImageListResult['outcome']>;
  markedAtMs: number;
}

/**
 * Begins the runs of ImageLists and sums up what the nodes report, while this agent holds the Lease. Everything that must
 * outlive it is written before the step that needs it: the roster before the run begins, the status before it is finished.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  #rosters = new Map<string, RecordedRoster>();
  #handled = new Map<string, number>();
  /** What we wrote last, which the watch shows later. */
  #written = new Map<string, RunRecord>();
  #counting = new Map<string, Counting>();
  #renewedAtMs = 0;
  #statusAtMs = Number.NEGATIVE_INFINITY;
  /** A list is through, and its status has to wait for its turn. */
  #isStatusDue = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Works until no list is left to count. Throws ClusterError when the Lease is lost or the API server is away. */
  async conduct(signal: AbortSignal): Promise<void> {
    const { lease, lists, clock, bell } = this.#options;
    const over = new AbortController();
    const nodes = reportedNodes({ ...this.#options, onChange: () => bell.ring() });
    const watching = nodes.run(AbortSignal.any([signal, over.signal]));
    this.#rosters = new Map(lease.bequest.rosters);
    this.#handled = new Map(lease.bequest.handled);
    this.#written = new Map();
    this.#counting = new Map();
    this.#renewedAtMs = clock.monotonicMs();
    try {
      await this.#within(nodes.whenSynced(), firstListMs, signal);
      while (!signal.aborted) {
        const values = nodes.values();
        let isWorking = false;
        this.#isStatusDue = false;
        for (const list of lists()) {
          // Each list may cost requests, and hundreds of them may take longer than the Lease lasts.
          if (clock.monotonicMs() - this.#renewedAtMs >= heartbeatMs) await this.#renew(signal);
          isWorking = (await this.#advance(list, values, signal)) || isWorking;
        }
        if (!isWorking) break;
        await clock.sleep(roundMs, signal);
        await this.#heard(signal);
      }
    } finally {
      over.abort();
      await watching;
      // Where that fails, the Lease is free when it has not been renewed for a while.
      await lease.release(this.#bequest, AbortSignal.timeout(5_000)).catch(() => undefined);
    }
  }

  /** One step of one list. False when nothing is left to do about it. */
  async #advance(list: ImageListView, nodes: readonly ReportedNode[], signal: AbortSignal): Promise<boolean> {
    const run = this.#runOf(list);
    try {
      switch (nextStep(list, run, lastHandled(list, this.#handled, nodes))) {
        case 'adopt':
          await this.#adopt(list, signal);
          return false;
        case 'begin':
          await this.#begin(list, nodes, signal);
          return true;
        case 'follow':
          return run !== undefined && (await this.#follow(list, run, nodes, signal));
        case 'none':
          return false;
      }
    } catch (error) {
      // Changed or deleted meanwhile: the watch is about to say how.
      if (isNodetenderError(error, 'cluster/conflict', 'cluster/not-found')) return true;
      throw error;
    }
  }

  async #adopt(list: ImageListView, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const at = new Date(clock.nowMs()).toISOString();
    const { uid, generation } = list;
    await this.#mark(
      list,
      { uid, generation, state: 'adopted', startedAt: at, nodes: 0, newestNode: at, reported: 0 },
      signal,
    );
    log.info({ imageList: list.name, generation }, 'ImageList carries a status already; it is run when it changes');
  }

  async #begin(list: ImageListView, nodes: readonly ReportedNode[], signal: AbortSignal): Promise<void> {
    const { settings, clock, log, tell } = this.#options;
    const { uid, generation } = list;
    const startedAt = new Date(clock.nowMs()).toISOString();
    const roster = rosterOf(nodes, settings().filter);
    this.#rosters.set(uid, { ...roster, generation, startedAt });
    await this.#renew(signal);
    const newestNode = nodes.reduce((newest, { createdAt }) => (createdAt > newest ? createdAt : newest), zeroTime);
    const record: RunRecord = {
      uid,
      generation,
      state: 'running',
      startedAt,
      nodes: roster.nodes.size,
      newestNode,
      reported: 0,
    };
    await this.#mark(list, record, signal, list.resourceVersion);
    log.info({ imageList: list.name, generation, nodes: roster.nodes.size }, 'ImageList is run');
    if (list.refused.length > 0) tell(refusedNote(list));
  }

  async #follow(
    list: ImageListView,
    run: RunRecord,
    nodes: readonly ReportedNode[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock } = this.#options;
    const counting = this.#countingOf(list, run, nodes);
    const counts = tally(counting.roster, nodes, list, counting.reports);
    counting.reports = counts.reports;
    if (counts.pending === 0 || clock.monotonicMs() >= counting.deadlineMs) {
      if (this.#untilStatusMs() <= 0) {
        const inUse = inUseNote(list, nodes);
        if (inUse !== undefined) this.#options.tell(inUse);
        await this.#finish(list, run, counts, signal);
        return false;
      }
      // Marked meanwhile as those that wait for nodes.
      this.#isStatusDue = true;
    }
    if (clock.monotonicMs() - counting.markedAtMs >= heartbeatMs) {
      counting.markedAtMs = clock.monotonicMs();
      await this.#mark(list, { ...run, reported: run.nodes - counts.pending }, signal);
    }
    return true;
  }

  async #finish(list: ImageListView, run: RunRecord, counts: Tally, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    const total = closed(counts);
    await this.#writeStatus(list, total, signal);
    await this.#mark(list, { ...run, state: 'finished', reported: run.nodes - counts.pending }, signal);
    this.#counting.delete(countingKey(list, run));
    this.#rosters.delete(list.uid);
    log.info({ imageList: list.name, generation: run.generation, ...total }, 'ImageList is done on all nodes');
  }

  #countingOf(list: ImageListView, run: RunRecord, nodes: readonly ReportedNode[]): Counting {
    const { settings, clock } = this.#options;
    const key = countingKey(list, run);
    let counting = this.#counting.get(key);
    if (counting === undefined) {
      const { timeoutMs } = settings();
      // Perhaps begun by another agent, whose clock may be wrong.
      const passedMs = Math.min(timeoutMs, Math.max(0, clock.nowMs() - Date.parse(run.startedAt)));
      const nowMs = clock.monotonicMs();
      const deadlineMs = nowMs + Math.max(timeoutMs - passedMs, Math.min(timeoutMs, graceMs));
      const roster = this.#rosterOf(list.uid, run, nodes);
      counting = { deadlineMs, roster, reports: new Map(), markedAtMs: nowMs };
      this.#counting.set(key, counting);
    }
    return counting;
  }

  /** As it was recorded; where that is lost, those of today's nodes that were there when the run began. */
  #rosterOf(uid: string, run: RunRecord, nodes: readonly ReportedNode[]): Roster {
    const recorded = this.#rosters.get(uid);
    if (recorded?.generation === run.generation && recorded.startedAt === run.startedAt) return recorded;
    const then = nodes.filter(({ createdAt }) => createdAt <= run.newestNode);
    return rosterOf(then, this.#options.settings().filter);
  }

  #runOf({ uid, run }: ImageListView): RunRecord | undefined {
    const written = this.#written.get(uid);
    return written !== undefined && written.generation >= (run?.uid === uid ? run.generation : 0) ? written : run;
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { lease, lists, clock } = this.#options;
    const present = new Set(lists().map(({ uid }) => uid));
    for (const known of [this.#rosters, this.#handled]) {
      for (const uid of known.keys()) if (!present.has(uid)) known.delete(uid);
    }
    await lease.renew(this.#bequest, signal);
    this.#renewedAtMs = clock.monotonicMs();
  }

  get #bequest(): Bequest {
    return { rosters: this.#rosters, handled: this.#handled };
  }

  /** The UID keeps it from an object made again under the same name. */
  async #mark(
    { name, uid }: ImageListView,
    record: RunRecord,
    signal: AbortSignal,
    resourceVersion?: string,
  ): Promise<void> {
    const markedAt = new Date(this.#options.clock.nowMs()).toISOString();
    const annotations = { [`${annotationPrefix}${runAnnotation}`]: encodeRun({ ...record, markedAt }) };
    const metadata = { uid, annotations, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    await this.#options.port.patch(imageLists, { name }, { type: 'merge', body: { metadata } }, { signal });
    this.#written.set(uid, record);
    // Not before: whoever takes over must not find a run handled that no mark has begun.
    this.#handled.delete(uid);
    this.#handled.set(uid, record.generation);
  }

  async #writeStatus({ name, uid }: ImageListView, counts: NodeCounts, signal: AbortSignal): Promise<void> {
    const { port, clock } = this.#options;
    // Without fractions, as the type of the field has none in Kubernetes itself.
    const timestamp = `${new Date(clock.nowMs()).toISOString().slice(0, 19)}Z`;
    const body = { metadata: { uid }, status: { ...counts, timestamp } };
    this.#statusAtMs = clock.monotonicMs();
    await port.patch(imageLists, { name }, { type: 'merge', body, subresource: 'status' }, { signal });
  }

  #untilStatusMs(): number {
    return this.#statusAtMs + statusGapMs - this.#options.clock.monotonicMs();
  }

  /** Until something changes, or a heartbeat or a status is due. */
  async #heard(signal: AbortSignal): Promise<void> {
    const { bell, clock } = this.#options;
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const waitMs = this.#isStatusDue ? Math.max(0, this.#untilStatusMs()) : heartbeatMs;
    await Promise.race([bell.wait(until), clock.sleep(waitMs, until)]);
    over.abort();
  }

  async #within(promise: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const late = async (): Promise<void> => {
      await this.#options.clock.sleep(ms, AbortSignal.any([signal, over.signal]));
      if (!over.signal.aborted && !signal.aborted) {
        throw new ClusterError('cluster/timeout', `the nodes could not be listed within ${ms / 1000} s`);
      }
    };
    try {
      await Promise.race([promise, late()]);
    } finally {
      over.abort();
    }
  }
}

function countingKey({ uid }: ImageListView, { generation, startedAt }: RunRecord): string {
  return `${uid} ${generation} ${startedAt}`;
}

const zeroTime = '1970-01-01T00:00:00Z';

/** The newest generation of this very object that a reporter or a node has handled; undefined for none. */
function lastHandled(
  { name, uid }: ImageListView,
  handled: Handled,
  nodes: readonly ReportedNode[],
): number | undefined {
  let highest = handled.get(uid);
  for (const { results } of nodes) {
    const result = results.get(name);
    if (result?.uid === uid && result.generation > (highest ?? -1)) highest = result.generation;
  }
  return highest;
}
