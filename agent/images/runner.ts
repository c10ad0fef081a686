import type { Clock, Random } from '../clock.ts';
import type { DiskUsage } from '../host/disk.ts';
import type { RuntimePort } from '../runtime/port.ts';
import type { Gatherer } from './gather.ts';
import type { History } from './history.ts';
import type { Pace } from './pace.ts';
import type { Policy } from './policy.ts';
import type { Report, RunTrigger } from './report.ts';

/** What a run has done so far. Counts of images. */
export interface Progress {
  readonly planned: number;
  readonly removed: number;
  readonly skipped: number;
  readonly failed: number;
}

/** The disk that holds the images, and when a run set off by it has done enough. */
export interface RunDisk {
  /** Throws `host/no-statfs`. */
  measure(): Promise<DiskUsage>;
  /** Given for watermark runs: stop as soon as the use in percent is below. */
  readonly stopBelowPercent?: number;
}

export interface RunOptions {
  readonly trigger: RunTrigger;
  readonly dryRun: boolean;
  readonly port: RuntimePort;
  readonly gatherer: Gatherer;
  readonly history: History;
  /** Asked before each burst, so that a reloaded rule holds at once. */
  readonly policy: () => Policy;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the run after the calls in flight: outcome `stopped`. */
  readonly signal?: AbortSignal;
  readonly disk?: RunDisk;
  readonly onProgress?: (progress: Progress) => void;
}

/** One run from trigger to report. Never rejects: what went wrong is in the report. */
export async function runCleaning(options: RunOptions): Promise<Report> {
  throw new Error(`not yet: ${options.trigger}`);
}
