import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { DiskUsage } from '../host/disk.ts';
import type { Report } from '../images/report.ts';
import type { Logger } from '../observe/log.ts';

export interface WatermarkOptions {
  readonly measure: () => Promise<DiskUsage>;
  /** Asked at every look, so that a reloaded limit holds at once; undefined: nothing starts. */
  readonly startAbovePercent: () => number | undefined;
  readonly checkEveryMs: () => number;
  readonly onMeasured: (disk: DiskUsage) => void;
  readonly run: () => Promise<Report | undefined>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** After a run that could remove nothing the next is not worth its look for a while, doubling up to this. */
const LONGEST_REST_MS = 3_600_000;

/** Measures the disk every so often, and starts a run when it is fuller than it may be, until `signal` aborts. */
export async function watchDisk(options: WatermarkOptions, signal: AbortSignal): Promise<void> {
  const { measure, startAbovePercent, checkEveryMs, onMeasured, run, clock, log } = options;
  let fruitless = 0;
  let restUntilMs = Number.NEGATIVE_INFINITY;
  let trouble: string | undefined;
  while (!signal.aborted) {
    try {
      const disk = await measure();
      onMeasured(disk);
      trouble = undefined;
      const startAbove = startAbovePercent();
      if (startAbove === undefined || disk.usedPercent <= startAbove) {
        fruitless = 0;
        restUntilMs = Number.NEGATIVE_INFINITY;
      } else if (clock.monotonicMs() >= restUntilMs) {
        log.info(
          { usedPercent: Math.round(disk.usedPercent * 10) / 10, startAbovePercent: startAbove },
          'disk is too full',
        );
        const report = await run();
        fruitless = report !== undefined && report.removed.length > 0 ? 0 : fruitless + 1;
        const restMs = fruitless === 0 ? 0 : Math.min(LONGEST_REST_MS, checkEveryMs() * 2 ** Math.min(fruitless, 10));
        restUntilMs = clock.monotonicMs() + restMs;
      }
    } catch (error) {
      // Once for each trouble: it would be said every minute.
      if (messageOf(error) !== trouble) log.warn({ error }, 'disk cannot be measured; watermarks do not work');
      trouble = messageOf(error);
    }
    await clock.sleep(checkEveryMs(), signal);
  }
}
