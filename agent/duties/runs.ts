import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../clock.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import type { Report, RunTrigger } from '../images/report.ts';
import type { RunLock } from '../images/runlock.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

export type AgentTrigger = Exclude<RunTrigger, 'command'>;

export interface RunsOptions {
  /** One run from trigger to report. */
  readonly run: (trigger: AgentTrigger) => Promise<Report>;
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
  readonly #waiting = new Map<AgentTrigger, Promise<Report | undefined>>();
  #last: Promise<unknown> = Promise.resolve();
  #isRunning = false;

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  /** Resolves when the run is over; with undefined where it could not run at all, which the log then explains. */
  async request(trigger: AgentTrigger): Promise<Report | undefined> {
    const { log } = this.#options;
    const waiting = this.#waiting.get(trigger);
    if (waiting !== undefined) {
      log.info({ trigger }, 'a run was asked for; one waits already');
      return await waiting;
    }
    if (this.#isRunning) log.info({ trigger }, 'a run was asked for; it waits for the one under way');
    const run = this.#last.then(async () => {
      this.#waiting.delete(trigger);
      this.#isRunning = true;
      try {
        return await this.#run(trigger);
      } finally {
        this.#isRunning = false;
      }
    });
    this.#waiting.set(trigger, run);
    // Without its report, which would keep the whole plan in memory until the next run, perhaps for weeks.
    this.#last = run.then(() => undefined);
    return await run;
  }

  /** Resolves when no run is under way and none waits. */
  async ended(): Promise<void> {
    await this.#last;
  }

  async #run(trigger: AgentTrigger): Promise<Report | undefined> {
    const { clock, log, metrics, run } = this.#options;
    const lock = await this.#lock(trigger);
    if (lock === undefined) return undefined;
    if (lock.problem !== undefined) log.warn({ error: lock.problem }, 'runs are not kept apart from other processes');
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    log.info({ trigger }, 'run began');
    metrics.runBegan();
    try {
      const report = await run(trigger);
      // The histogram counts from the resolution up and in nanoseconds.
      metrics.runEnded(report, Math.max(0, delay.percentile(99) - 10e6) / 1e9);
      logReport(log, report);
      return report;
    } catch (error) {
      metrics.runFailed(trigger, clock.nowMs());
      log.error({ trigger, error }, 'run failed');
      return undefined;
    } finally {
      delay.disable();
      await lock.release();
    }
  }

  async #lock(trigger: AgentTrigger): Promise<RunLock | undefined> {
    const { clock, log, metrics, signal, lock } = this.#options;
    for (let tries = 1; !signal.aborted; tries += 1) {
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
        await clock.sleep(LOCK_RETRY_MS, signal);
      }
    }
    return undefined;
  }
}

/** One line for each image that stayed after all or would not go; one for the run. Those that went were told as they did. */
function logReport(log: Logger, report: Report): void {
  const { trigger } = report;
  for (const { id, name, why } of report.skipped) log.info({ trigger, id, image: name, reason: why }, 'image left');
  for (const { id, name, message } of report.failed) {
    log.warn({ trigger, id, image: name, reason: message }, 'image could not be removed');
  }
  const summary = {
    trigger,
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
