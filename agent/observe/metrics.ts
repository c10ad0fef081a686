import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../errors.ts';
import type { Plan, RemoveCode } from '../images/plan.ts';
import type { Report, RunTrigger } from '../images/report.ts';
import type { ObstacleCode } from '../node/obstacle.ts';
import type { RuntimeVersion } from '../runtime/port.ts';
import type { Build } from '../build.ts';
import { registerProcessMetrics } from './process.ts';
import { RebootMetrics } from './rebootmetrics.ts';

type AgentTrigger = Exclude<RunTrigger, 'command'>;

// Written as objects so that the compiler refuses a trigger, outcome or reason that is missing here.
const TRIGGERS = Object.keys({ schedule: 0, watermark: 0, signal: 0, annotation: 0, imagelist: 0 } satisfies Record<
  AgentTrigger,
  0
>);
const OUTCOMES = Object.keys({ done: 0, stopped: 0, enough: 0, failed: 0 } satisfies Record<Report['outcome'], 0>);
const REMOVE_CODES = Object.keys({
  requested: 0,
  'remove-rule': 0,
  unused: 0,
  orphan: 0,
} satisfies Record<RemoveCode, 0>);
const OBSTACLE_CODES = Object.keys({
  held: 0,
  paused: 0,
  'no-node': 0,
  'not-read': 0,
  filtered: 0,
  unreachable: 0,
  draining: 0,
  settling: 0,
  'exclusions-unknown': 0,
} satisfies Record<ObstacleCode, 0>);

/** From a run that found nothing to do, to one that unlinks a thousand images of many files. */
const RUN_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];

/**
 * What the agent tells Prometheus. Everything is remembered from what the agent did anyway: a scrape asks nothing of the
 * runtime. Counters exist from the start, so that a rate sees their first step; a gauge whose value is not known is absent.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly reboots = new RebootMetrics(this.registry);
  readonly #counter = counters(this.registry);
  readonly #gauge = gauges(this.registry);
  readonly #runSeconds = new Histogram({
    name: 'nodetender_run_duration_seconds',
    help: 'How long cleaning runs took, from trigger to report.',
    buckets: RUN_SECONDS,
    registers: [this.registry],
  });

  constructor(build: Build) {
    this.#gauge.build.set({ ...build, node: process.version }, 1);
    registerProcessMetrics(this.registry);
    for (const trigger of TRIGGERS) {
      for (const outcome of OUTCOMES) this.#counter.runs.inc({ trigger, outcome }, 0);
    }
    for (const reason of REMOVE_CODES) this.#counter.removed.inc({ reason }, 0);
    const { nextRun, eventLoopDelay, diskSize, diskFree, configValid, configLoaded, runtimeUp } = this.#gauge;
    for (const verdict of ['accepted', 'refused']) this.#counter.requests.inc({ verdict }, 0);
    const { historyImages, historySaved, clusterUp } = this.#gauge;
    const unknown = [nextRun, eventLoopDelay, diskSize, diskFree, configValid, configLoaded, runtimeUp];
    for (const gauge of [...unknown, historyImages, historySaved, clusterUp]) forget(gauge);
  }

  /** The page that Prometheus reads, in its text format. */
  async page(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  runBegan(): void {
    this.#gauge.runInProgress.set(1);
  }

  /** A run is over. `eventLoopDelaySeconds` is the 99th percentile while it lasted. */
  runEnded(report: Report, eventLoopDelaySeconds: number): void {
    this.#gauge.runInProgress.set(0);
    this.#counter.runs.inc({ trigger: report.trigger, outcome: report.outcome });
    this.#runSeconds.observe(report.durationMs / 1000);
    for (const image of report.removed) this.#counter.removed.inc({ reason: image.code });
    this.#counter.skipped.inc(report.skipped.length);
    this.#counter.failed.inc(report.failed.length);
    this.#counter.estimatedFreed.inc(report.estimatedFreedBytes);
    // Others write to the disk meanwhile, so a difference can be negative, which a counter cannot take.
    this.#counter.measuredFreed.inc(Math.max(0, report.measuredFreedBytes ?? 0));
    this.#gauge.lastRunEnd.set({ outcome: report.outcome }, Math.round(report.startedAtMs + report.durationMs) / 1000);
    this.#gauge.eventLoopDelay.set(eventLoopDelaySeconds);
  }

  /** A run could not report at all. */
  runFailed(trigger: AgentTrigger, atMs: number): void {
    this.#gauge.runInProgress.set(0);
    this.#counter.runs.inc({ trigger, outcome: 'failed' });
    this.#gauge.lastRunEnd.set({ outcome: 'failed' }, atMs / 1000);
  }

  /** What is on the node and what the policy says of it. */
  planned(plan: Plan): void {
    const { images, sizeBytes } = this.#gauge;
    images.reset();
    sizeBytes.reset();
    for (const { verdict, code, image } of [...plan.keep, ...plan.remove]) {
      images.inc({ verdict, reason: code });
      sizeBytes.inc({ verdict, reason: code }, image.sizeBytes);
    }
  }

  nextRun(atMs: number | undefined): void {
    if (atMs === undefined) forget(this.#gauge.nextRun);
    else this.#gauge.nextRun.set(Math.round(atMs) / 1000);
  }

  disk(disk: { totalBytes: number; freeBytes: number }): void {
    this.#gauge.diskSize.set(disk.totalBytes);
    this.#gauge.diskFree.set(disk.freeBytes);
  }

  configAccepted(atMs: number): void {
    this.#gauge.configValid.set(1);
    this.#gauge.configLoaded.set(atMs / 1000);
  }

  /** The file on disk was refused; what was in force stays. */
  configRefused(): void {
    this.#gauge.configValid.set(0);
  }

  runtimeUp(up: boolean): void {
    this.#gauge.runtimeUp.set(up ? 1 : 0);
  }

  runtimeKnown(version: RuntimeVersion): void {
    this.#gauge.runtime.reset();
    this.#gauge.runtime.set({ name: version.name, version: version.version }, 1);
  }

  runtimeError(code: ErrorCode): void {
    this.#counter.runtimeErrors.inc({ code });
  }

  /** Whether everything of the cluster that concerns this node is followed. */
  clusterUp(up: boolean): void {
    this.#gauge.clusterUp.set(up ? 1 : 0);
  }

  /** Why no cleaning may start; undefined: one may. */
  cleaningBlocked(code: ObstacleCode | undefined): void {
    for (const reason of OBSTACLE_CODES) this.#gauge.cleaningBlocked.set({ reason }, reason === code ? 1 : 0);
  }

  requestAccepted(): void {
    this.#counter.requests.inc({ verdict: 'accepted' });
  }

  requestRefused(): void {
    this.#counter.requests.inc({ verdict: 'refused' });
  }

  /** How many images the history remembers, and whether the file it is kept in could be written last time. */
  history(images: number, saved: boolean): void {
    this.#gauge.historyImages.set(images);
    this.#gauge.historySaved.set(saved ? 1 : 0);
  }
}

/** Takes a gauge without labels off the page: its value is not known. */
function forget(gauge: Gauge): void {
  gauge.remove();
}

function counters(registry: Registry) {
  const counter = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    new Counter<L>({ name: `nodetender_${name}_total`, help, labelNames, registers: [registry] });
  return {
    runs: counter('runs', 'Cleaning runs, by what set them off and how they ended.', 'trigger', 'outcome'),
    removed: counter('images_removed', 'Images removed, by the reason they went.', 'reason'),
    skipped: counter(
      'images_skipped',
      'Images planned for removal that stayed: someone began to use them, or the run ended.',
    ),
    failed: counter('image_removals_failed', 'Removals that the runtime refused or that did not happen.'),
    estimatedFreed: counter(
      'images_freed_estimated_bytes',
      'Sum of the sizes of removed images as the runtime lists them: compressed, and shared layers counted in every image.',
    ),
    measuredFreed: counter(
      'images_freed_measured_bytes',
      'Growth of the free space of the images’ file system over each run. Other writers make it smaller.',
    ),
    requests: counter('clean_requests', 'New values of the annotation nodetender.dev/clean, by verdict.', 'verdict'),
    runtimeErrors: counter('runtime_call_errors', 'Calls to the container runtime that failed, by error code.', 'code'),
  };
}

function gauges(registry: Registry) {
  const gauge = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge<L>({ name: `nodetender_${name}`, help, labelNames, registers: [registry] });
  return {
    build: gauge('build_info', 'Always 1; what is running.', 'version', 'commit', 'node'),
    images: gauge('images', 'Images on the node at the last look, by verdict and reason.', 'verdict', 'reason'),
    sizeBytes: gauge(
      'images_size_bytes',
      'Sum of the listed sizes of the images on the node at the last look, by verdict and reason. Not disk use.',
      'verdict',
      'reason',
    ),
    runInProgress: gauge('run_in_progress', '1 while a cleaning run is under way.'),
    lastRunEnd: gauge('last_run_end_timestamp_seconds', 'When the last run with this outcome ended.', 'outcome'),
    nextRun: gauge('next_run_timestamp_seconds', 'When the schedule runs next. Absent when nothing is scheduled.'),
    eventLoopDelay: gauge(
      'run_event_loop_delay_seconds',
      '99th percentile of the delay of this agent’s event loop during the last run.',
    ),
    diskSize: gauge('images_disk_size_bytes', 'Size of the file system that holds the images.'),
    diskFree: gauge('images_disk_free_bytes', 'Space of that file system that is free to everybody.'),
    configValid: gauge('config_valid', '1 when the configuration on disk is the one in force, 0 when it was refused.'),
    configLoaded: gauge('config_last_accepted_timestamp_seconds', 'When the configuration in force was taken up.'),
    runtimeUp: gauge('runtime_up', '1 when the last call to the container runtime was answered.'),
    runtime: gauge('runtime_info', 'Always 1; the container runtime as it names itself.', 'name', 'version'),
    clusterUp: gauge(
      'cluster_up',
      '1 when the Node, its pods and the pause of all are followed, 0 when the API server is away. Absent outside of a cluster.',
    ),
    cleaningBlocked: gauge(
      'cleaning_blocked',
      '1 for the reason why no cleaning may start now. Absent outside of a cluster.',
      'reason',
    ),
    historyImages: gauge('history_images', 'Images whose first sight and last use are remembered.'),
    historySaved: gauge('history_saved', '1 when the history was last written to disk, 0 when that failed.'),
  };
}
