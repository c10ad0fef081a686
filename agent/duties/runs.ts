import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../clock.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import { nameOf } from '../images/inventory.ts';
import type { Report, RunTrigger } from '../images/report.ts';
import type { RunLock } from '../images/runlock.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Policy } from '../images/policy.ts';
import type { Gate } from './gate.ts';

export type AgentTrigger = Exclude<RunTrigger, 'command'>;

/** What sets a run off, and what is special about it. */
export interface RunRequest {
  readonly trigger: AgentTrigger;
  /** Two requests of one trigger with different subjects are two runs; the value of an annotation, for example. */
  readonly subject?: string | undefined;
  /** Plans and removes nothing. */
  readonly dryRun?: boolean | undefined;
  /** In place of the trigger's own; asked before each burst. */
  readonly policy?: (() => Policy) | undefined;
  /** Aborts when nobody wants the run any more: it does not begin then. One under way ends by what its policy says. */
  readonly withdrawn?: AbortSignal | undefined;
}

interface WaitingRun {
  readonly report: Promise<Report | undefined>;
  readonly withdrawn: AbortSignal | undefined;
}

/** Told of each run as it happens; must not throw. */
export interface RunObserver {
  onBegin(request: RunRequest): void;
  /** `isLast` is false where the gate stopped the run, which then begins again when it opens. */
  onReport(report: Report, request: RunRequest, isLast: boolean): void;
  onEnd(): void;
}

export interface RunsOptions {
  /** One run from trigger to report; ends after the calls in flight when `signal` aborts. */
  readonly run: (request: RunRequest, signal: AbortSignal) => Promise<Report>;
  readonly observer: RunObserver | undefined;
  /** No run begins while it is closed, and one under way ends between two bursts when it closes. */
  readonly gate: Gate;
  /** Rejects with `run/busy` while another process runs. */
  readonly lock: () => Promise<RunLock>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** No run begins once it is aborted. */
  readonly signal: AbortSignal;
}

/** A person's `clean` on the same node is waited for so often, for an hour in all. */
const LOCK_RETRY_MS = 15_000;
const LOCK_TRIES = 240;

/**
 * The agent's runs: one at a time. What is asked for meanwhile waits, at most once for each trigger: a second request of
 * the same kind joins the one that waits.
 */
export class Runs {
  readonly #options: RunsOptions;
  readonly #waiting = new Map<string, WaitingRun>();
  #last: Promise<unknown> = Promise.resolve();
  #isRunning = false;

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** Resolves when the run is over; with undefined where it was withdrawn or could not run at all, which the log explains. */
  async request(request: RunRequest): Promise<Report | undefined> {
    const { log } = this.#options;
    const { trigger, subject = '', withdrawn } = request;
    const key = `${trigger} ${subject}`;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && waiting.withdrawn?.aborted !== true) {
      log.info({ trigger }, 'a run was asked for; one waits already');
      return await waiting.report;
    }
    if (this.#isRunning) log.info({ trigger }, 'a run was asked for; it waits for the one under way');
    const run: Promise<Report | undefined> = this.#last.then(async () => {
      // One that was withdrawn may have been followed by another.
      if (this.#waiting.get(key)?.report === run) this.#waiting.delete(key);
      this.#isRunning = true;
      try {
        return await this.#runToTheEnd(request);
      } finally {
        this.#isRunning = false;
      }
    });
    this.#waiting.set(key, { report: run, withdrawn });
    // Without its report, which would keep the whole plan in memory until the next run, perhaps for weeks.
    this.#last = run.then(() => undefined);
    return await run;
  }

  /** Resolves when no run is under way and none waits. */
  async ended(): Promise<void> {
    await this.#last;
  }

  /** Again and again while the gate stops it. */
  async #runToTheEnd(request: RunRequest): Promise<Report | undefined> {
    const { gate, signal, log } = this.#options;
    const { trigger, withdrawn } = request;
    const giveUp = withdrawn === undefined ? signal : AbortSignal.any([signal, withdrawn]);
    while (!giveUp.aborted) {
      const { obstacle } = gate;
      if (obstacle !== undefined) {
        log.info({ trigger, code: obstacle.code, reason: obstacle.reason }, 'run waits');
        await gate.whenOpen(giveUp);
        continue;
      }
      const report = await this.#run(request, gate.whileOpen, giveUp);
      if (report !== 'not run to the end') return report;
    }
    if (!signal.aborted) log.info({ trigger }, 'run is not wanted any more');
    return undefined;
  }

  async #run(
    request: RunRequest,
    whileOpen: AbortSignal,
    giveUp: AbortSignal,
  ): Promise<Report | undefined | 'not run to the end'> {
    const { clock, log, metrics, signal, run, observer } = this.#options;
    const { trigger } = request;
    const lock = await this.#lock(trigger, giveUp);
    if (lock === undefined) return undefined;
    if (whileOpen.aborted || giveUp.aborted) {
      await lock.release();
      return 'not run to the end';
    }
    if (lock.problem !== undefined) log.warn({ error: lock.problem }, 'runs are not kept apart from other processes');
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    log.info({ trigger }, 'run began');
    metrics.runBegan();
    observer?.onBegin(request);
    try {
      const report = await run(request, AbortSignal.any([signal, whileOpen]));
      const isStoppedByGate = report.outcome === 'stopped' && whileOpen.aborted && !signal.aborted;
      // The histogram counts from the resolution up and in nanoseconds.
      metrics.runEnded(report, Math.max(0, delay.percentile(99) - 10e6) / 1e9);
      logReport(log, report);
      observer?.onReport(report, request, !isStoppedByGate);
      return isStoppedByGate ? 'not run to the end' : report;
    } catch (error) {
      metrics.runFailed(trigger, clock.nowMs());
      log.error({ trigger, error }, 'run failed');
      return undefined;
    } finally {
      delay.disable();
      await lock.release();
      observer?.onEnd();
    }
  }

  async #lock(trigger: AgentTrigger, giveUp: AbortSignal): Promise<RunLock | undefined> {
    const { clock, log, metrics, lock } = this.#options;
    for (let tries = 1; !giveUp.aborted; tries += 1) {
      try {
        return await lock();
      } catch (error) {
        const isBusy = isNodetenderError(error, 'run/busy');
        if (!isBusy || tries >= LOCK_TRIES) {
          metrics.runFailed(trigger, clock.nowMs());
          log.error({ trigger, error }, 'run could not begin');
          return undefined;
        }
        if (tries === 1) log.info({ trigger, why: messageOf(error) }, 'run waits for another process');
        await clock.sleep(LOCK_RETRY_MS, giveUp);
      }
    }
    return undefined;
  }
}

/** One line for each image that stayed after all or would not go; one for the run. Those that went were told as they did. */
function logReport(log: Logger, report: Report): void {
  const { trigger, dryRun } = report;
  if (dryRun) {
    for (const { image, code, reason } of report.plan.remove) {
      const { id, sizeBytes } = image;
      log.info({ trigger, id, image: nameOf(image), sizeBytes, code, reason }, 'image would be removed');
    }
  }
  for (const { id, name, cameBack } of report.removed) {
    if (cameBack) log.info({ trigger, id, image: name }, 'image came back: somebody pulled it again during the run');
  }
  for (const { id, name, why } of report.skipped) log.info({ trigger, id, image: name, reason: why }, 'image left');
  for (const { id, name, message } of report.failed) {
    log.warn({ trigger, id, image: name, reason: message }, 'image could not be removed');
  }
  const summary = {
    trigger,
    ...(dryRun ? { dryRun } : {}),
    outcome: report.outcome,
    ...(report.error === undefined ? {} : { reason: report.error }),
    removed: report.removed.length,
    skipped: report.skipped.length,
    failed: report.failed.length,
    kept: report.plan.keep.length,
    estimatedFreedBytes: report.estimatedFreedBytes,
    measuredFreedBytes: report.measuredFreedBytes,
    durationSeconds: Math.round(report.durationMs) / 1000,
  };
  if (report.outcome === 'failed') log.error(summary, 'run ended');
  else log.info(summary, 'run ended');
}
