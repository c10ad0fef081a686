import { backoffMs } from '../backoff.ts';
import type { Clock, Random } from '../clock.ts';
import type { Report } from '../images/report.ts';
import type { RunTimer } from '../images/timer.ts';
import type { Logger } from '../observe/log.ts';

export interface ScheduleOptions {
  readonly timer: RunTimer;
  readonly isEnabled: () => boolean;
  readonly run: () => Promise<Report | undefined>;
  /** Told when the next run is due, whenever that may have changed. */
  readonly onNextRun: (atMs: number | undefined) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A run that failed as a whole (the runtime was away) is not put off until next week. */
const RETRY = { firstMs: 10 * 60_000, longestMs: 6 * 3_600_000 };

/** Starts the runs of the schedule until `signal` aborts. */
export async function keepSchedule(options: ScheduleOptions, signal: AbortSignal): Promise<void> {
  const { timer, isEnabled, run, onNextRun, clock, random, log } = options;
  let failures = 0;
  onNextRun(timer.nextRunMs());
  while (!signal.aborted) {
    await untilDueOrRetry(timer, failures === 0 ? undefined : backoffMs(RETRY, failures, random), clock, signal);
    if (signal.aborted) return;
    await timer.begin();
    onNextRun(timer.nextRunMs());
    if (timer.problem !== undefined) log.warn({ error: timer.problem }, 'schedule is not kept over a restart');
    if (isEnabled()) {
      const report = await run();
      failures = report === undefined || report.outcome === 'failed' ? failures + 1 : 0;
    } else {
      log.info('images.enabled is false: the scheduled run is left out');
      failures = 0;
    }
  }
}

async function untilDueOrRetry(
  timer: RunTimer,
  retryMs: number | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const settled = new AbortController();
  const either = AbortSignal.any([signal, settled.signal]);
  const waits = [timer.untilDue(either)];
  if (retryMs !== undefined) waits.push(clock.sleep(retryMs, either));
  await Promise.race(waits);
  settled.abort();
}
