import { messageOf } from '../errors.ts';
import { clean, type CleanOptions, type CleanResult } from './cleaner.ts';
import type { History } from './history.ts';
import { lookPatiently } from './look.ts';
import type { Plan } from './plan.ts';
import { plan } from './policy.ts';
import type { Report, RunTrigger } from './report.ts';

export type { Progress, RunDisk } from './cleaner.ts';

export interface RunOptions extends CleanOptions {
  readonly trigger: RunTrigger;
  /** Plans and removes nothing. */
  readonly dryRun: boolean;
  readonly history: History;
}

/**
 * One run from trigger to report: look, plan, clean, save the history. Never rejects: what went wrong is in the report.
 * Holding the run lock is the caller's part.
 */
export async function runCleaning(options: RunOptions): Promise<Report> {
  const { trigger, dryRun, clock, history, signal } = options;
  const startedAtMs = clock.nowMs();
  const startedMs = clock.monotonicMs();
  let planned: Plan = { plannedAtMs: startedAtMs, keep: [], remove: [] };
  let result: CleanResult = { outcome: 'done', error: undefined, removed: [], skipped: [], failed: [] };
  let measuredFreedBytes: number | undefined;
  try {
    const inventory = await lookPatiently(options);
    planned = plan(inventory, options.policy(), inventory.takenAtMs);
    if (!dryRun) {
      const freeBeforeBytes = await freeBytes(options);
      result = await clean(planned, options);
      const freeAfterBytes = await freeBytes(options);
      if (freeBeforeBytes !== undefined && freeAfterBytes !== undefined) {
        measuredFreedBytes = freeAfterBytes - freeBeforeBytes;
      }
    }
  } catch (error) {
    const isStopped = signal?.aborted === true;
    result = { ...result, outcome: isStopped ? 'stopped' : 'failed', error: isStopped ? undefined : messageOf(error) };
  }
  await history.save();
  return {
    trigger,
    dryRun,
    startedAtMs,
    durationMs: clock.monotonicMs() - startedMs,
    plan: planned,
    ...result,
    estimatedFreedBytes: result.removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    measuredFreedBytes,
  };
}

/** Undefined where it cannot be measured: that is no reason not to clean. */
async function freeBytes({ disk }: RunOptions): Promise<number | undefined> {
  try {
    return (await disk?.measure())?.freeBytes;
  } catch {
    return undefined;
  }
}
