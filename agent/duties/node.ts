import { Bell } from '../bell.ts';
import type { Clock, Random } from '../clock.ts';
import { EventRecorder, type Note } from '../cluster/events.ts';
import { nodeAnnotations } from '../cluster/names.ts';
import type { KubernetesPort } from '../cluster/port.ts';
import { encodeLastClean, type LastClean, type NodeStatus } from '../cluster/records.ts';
import type { Config } from '../config/load.ts';
import type { NodetenderError } from '../errors.ts';
import type { EventReason } from '../eventreasons.ts';
import type { UseSource } from '../images/gather.ts';
import type { Report } from '../images/report.ts';
import { type Drain, isCordoned, nextDrain } from '../node/drain.ts';
import { whyLeftOut } from '../node/filter.ts';
import { type Obstacle, obstacleTo } from '../node/obstacle.ts';
import { boundedNote, lastCleanOf, runNote } from '../node/result.ts';
import { podUses } from '../node/uses.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Readiness } from '../observe/readiness.ts';
import { ClusterView } from './clusterview.ts';
import type { Gate } from './gate.ts';
import type { ImageFacts } from './images.ts';
import { NodeWriter } from './nodewriter.ts';
import { CleanRequests } from './requests.ts';
import type { RunObserver, RunRequest } from './runs.ts';
import { StatusKeeper } from './status.ts';

export interface NodeDutyOptions {
  readonly port: KubernetesPort;
  readonly nodeName: string;
  /** The agent's own. */
  readonly namespace: string;
  readonly version: string;
  readonly config: () => Config;
  readonly gate: Gate;
  readonly run: (request: RunRequest) => Promise<Report | undefined>;
  readonly facts: () => ImageFacts;
  readonly nextRunMs: () => number | undefined;
  readonly onNodeChanged: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

/** Silence and settling are matters of time: nobody rings when they are over. Asks nothing of anybody. */
const LOOK_EVERY_MS = 2_000;

/** What is not known a moment after the start is no news; what is not known later is. */
const FIRST_STATUS_MS = 10_000;

/** The agent as a citizen of its cluster: what concerns this Node is obeyed, and what the agent does is told on it. */
export class NodeDuty {
  /** What the cluster says of this node. */
  readonly view: ClusterView;
  readonly writer: NodeWriter;
  readonly observer: RunObserver;
  readonly #options: NodeDutyOptions;
  readonly #events: EventRecorder;
  readonly #requests: CleanRequests;
  readonly #status: StatusKeeper;
  readonly #bell = new Bell();
  #drain: Drain | undefined;
  #isCleaning = false;
  #untoldRefusal: string | undefined;
  readonly #startedMs: number;

  constructor(options: NodeDutyOptions) {
    const { port, nodeName, clock, random, log, gate, run, metrics } = options;
    this.#options = options;
    this.#startedMs = clock.monotonicMs();
    this.view = new ClusterView({ ...options, onChange: () => this.#changed() });
    this.writer = new NodeWriter({ port, nodeName, clock, random, log });
    this.#events = new EventRecorder({
      port,
      instance: nodeName,
      clock,
      random,
      onLost: ({ reason, note }, why) => log.warn({ event: reason, note, reason: why }, 'an Event is lost'),
    });
    this.#requests = new CleanRequests({
      node: () => this.view.node,
      writer: this.writer,
      gate,
      run,
      onRefused: (value, why) =>
        this.warn('CleanRequestRefused', 'Clean', `nodetender.dev/clean is refused: ${why}`, value),
      onNotRun: (value, dryRun) => this.#notRun(value, dryRun),
      onWaiting: (value, obstacle) => this.#tellWaiting(value, obstacle),
      log,
      metrics,
    });
    this.#status = new StatusKeeper({
      current: () => this.#currentStatus(),
      write: (status) => void this.writer.set({ [nodeAnnotations.status]: status }),
      clock,
    });
    this.observer = {
      onBegin: () => this.#setCleaning(true),
      onReport: (report, request, isLast) => this.#report(report, request, isLast),
      onEnd: () => this.#setCleaning(false),
    };
    gate.onChange(() => {
      metrics.cleaningBlocked(gate.obstacle?.code);
      this.#bell.ring();
    });
    // Before the first look at the cluster nothing is known, and nothing may start.
    this.#look();
  }

  /** The images that pods bound to this node name. */
  readonly uses: UseSource = async () => podUses(this.view.pods());

  /** Until `signal` aborts. */
  async work(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.view.run(signal),
      this.writer.work(signal),
      this.#events.work(signal),
      this.#requests.work(signal),
      this.#keepLooking(signal),
    ]);
  }

  /** Writes what is left to write: to be called when the last run has ended. */
  async finish(): Promise<void> {
    await this.writer.finish();
  }

  /** A Warning about this Node. `identity` tells it from another with the same reason. */
  warn(reason: EventReason, action: string, note: string, identity = note): void {
    this.#tell({ type: 'Warning', reason, action, note: boundedNote(note), identity });
  }

  /** The file on disk was refused. */
  configRefused(error: NodetenderError): void {
    this.#untoldRefusal = error.message;
    this.#tellRefusal();
  }

  /** At a start the Node is not known yet. */
  #tellRefusal(): void {
    if (this.#untoldRefusal === undefined || this.view.node === undefined) return;
    this.warn('ConfigurationRefused', 'Configure', this.#untoldRefusal);
    this.#untoldRefusal = undefined;
  }

  /** An Event about this Node, or about that other one. */
  tellOfNode(note: Omit<Note, 'regarding'>, other?: { readonly name: string; readonly uid: string }): void {
    this.#tell({ ...note, note: boundedNote(note.note) }, other);
  }

  /** An Event about another object than this Node. */
  tell(note: Note): void {
    this.#events.tell(note);
  }

  #changed(): void {
    this.#tellRefusal();
    this.#bell.ring();
    this.#options.onNodeChanged();
  }

  async #keepLooking(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const tick = async (): Promise<void> => {
      while (!signal.aborted) {
        await clock.sleep(LOOK_EVERY_MS, signal);
        this.#bell.ring();
      }
    };
    const look = async (): Promise<void> => {
      while (!signal.aborted) {
        this.#look();
        await this.#bell.wait(signal);
      }
    };
    await Promise.all([tick(), look()]);
  }

  #look(): void {
    const { gate, config, nodeName, clock } = this.#options;
    const { node, hold, pause, nodeExists } = this.view;
    const { settleMs, unreachableLimitMs, nodeFilter } = config().cluster;
    const unread = this.view.unread();
    if (unread.length === 0) this.#drain = this.#followDrain(settleMs);
    const obstacle = obstacleTo({
      nodeName,
      hold,
      pause,
      nodeExists,
      unread,
      leftOut: node === undefined ? undefined : whyLeftOut(node.labels, nodeFilter),
      unheardMs: this.view.unheardMs(),
      unreachableLimitMs,
      drain: this.#drain ?? { phase: 'calm' },
      nowMs: clock.monotonicMs(),
      settleMs,
    });
    gate.set('node', obstacle);
    this.#requests.look();
    const isWorthTelling =
      (unread.length === 0 && this.#isImagesKnown()) || clock.monotonicMs() - this.#startedMs > FIRST_STATUS_MS;
    if (nodeExists === true && isWorthTelling) this.#status.look();
  }

  #isImagesKnown(): boolean {
    const { gate, facts } = this.#options;
    return gate.obstacle?.code !== 'exclusions-unknown' && facts().images !== undefined;
  }

  #followDrain(settleMs: number): Drain | undefined {
    const { clock, log } = this.#options;
    const { node } = this.view;
    if (node === undefined) return this.#drain;
    const { readyChangedAtMs } = node;
    const drain = nextDrain(this.#drain, {
      nowMs: clock.monotonicMs(),
      cordoned: isCordoned(node),
      ready: readyChangedAtMs === undefined && !node.ready ? undefined : node.ready,
      readyForMs: readyChangedAtMs === undefined ? 0 : Math.max(0, clock.nowMs() - readyChangedAtMs),
      podsLeave: this.view.takePodsLeave(),
      settleMs,
    });
    if (drain.phase !== (this.#drain?.phase ?? 'calm')) log.info({ phase: drain.phase }, 'drain of this node');
    return drain;
  }

  #setCleaning(isCleaning: boolean): void {
    this.#isCleaning = isCleaning;
    this.#bell.ring();
  }

  #report(report: Report, { trigger, subject }: RunRequest, isLast: boolean): void {
    // A run that was stopped with the agent is no end of the request: the next life of the agent repeats it.
    const isDone = isLast && report.outcome !== 'stopped';
    if (trigger === 'annotation' && isDone && subject !== undefined) this.#requests.finished(subject);
    // The status beside it then counts the images that are left.
    this.#isCleaning = false;
    this.#writeLastClean(lastCleanOf(report, this.#requests.done));
    this.#tell({ ...runNote(report), action: 'Clean', identity: `${report.startedAtMs}` });
  }

  #notRun(value: string, dryRun: boolean): void {
    const error = 'the run could not begin or ended in a defect; the log of the agent says why';
    const startedAt = new Date(this.#options.clock.nowMs()).toISOString();
    const none = { removed: 0, failed: 0, skipped: 0, kept: {}, estimatedFreedBytes: 0, images: [] };
    const outcome = { trigger: 'annotation', outcome: 'failed', error, startedAt, durationSeconds: 0 };
    this.#writeLastClean({ ...none, ...outcome, request: value, dryRun, measuredFreedBytes: null });
    this.warn('ImageCleaningFailed', 'Clean', `nodetender.dev/clean=${value}: ${error}`);
  }

  #writeLastClean(record: LastClean): void {
    const { lastClean, status } = nodeAnnotations;
    void this.writer.set({ [lastClean]: encodeLastClean(record), [status]: this.#status.now() });
  }

  #tellWaiting(value: string, { code, reason }: Obstacle): void {
    const note = boundedNote(`nodetender.dev/clean=${value} waits: ${reason}`);
    this.#tell({ type: 'Normal', reason: 'CleanWaiting', action: 'Clean', note, identity: `${value} ${code}` });
  }

  #tell(
    note: Omit<Note, 'regarding'>,
    node: { readonly name: string; readonly uid: string } | undefined = this.view.node,
  ): void {
    // Without a Node there is nothing that an Event could be about.
    if (node === undefined) return;
    const { name, uid } = node;
    this.#events.tell({ ...note, regarding: { apiVersion: 'v1', kind: 'Node', name, uid } });
  }

  #currentStatus(): NodeStatus {
    const { version, gate, facts, nextRunMs } = this.#options;
    const { images, imageBytes, diskUsedPercent } = facts();
    const { obstacle } = gate;
    const nextRunAtMs = nextRunMs();
    return {
      version,
      state: obstacle === undefined ? (this.#isCleaning ? 'cleaning' : 'idle') : stateOf(obstacle),
      images: images ?? null,
      imageBytes: imageBytes ?? null,
      diskUsedPercent: diskUsedPercent === undefined ? null : Math.round(diskUsedPercent * 10) / 10,
      nextRunAt: nextRunAtMs === undefined ? null : new Date(nextRunAtMs).toISOString(),
      waiting: obstacle?.reason ?? null,
    };
  }
}

function stateOf({ code }: Obstacle): string {
  return code === 'held' || code === 'paused' ? code : 'waiting';
}
