import { backoffMs } from '../../backoff.ts';
import type { Moment } from './moment.ts';

/** A clock that has been set back does not lengthen a wait: jitter adds a fifth at most, anything longer is none of ours. */
const LONGEST_JITTER = 1.2;

/** When to try again after so many failures in a row; wall clock. */
export function retryAtMs({ facts, settings, random }: Moment, failures: number): number {
  return facts.nowMs + Math.round(backoffMs(settings.backoff, failures, random));
}

export function isRetryDue({ state, facts, settings }: Moment): boolean {
  const leftMs = (state.retryAtMs ?? 0) - facts.nowMs;
  return leftMs <= 0 || leftMs > settings.backoff.longestMs * LONGEST_JITTER;
}
