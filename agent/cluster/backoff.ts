import { type Backoff, backoffMs } from '../backoff.ts';
import type { Random } from '../clock.ts';
import { ClusterError } from './errors.ts';

/** A Retry-After beyond this is taken for a mistake. */
const maxRetryAfterMs = 300_000;

/** As `backoffMs`, and not before the time that the server named with `error`. */
export function retryMs(backoff: Backoff, failures: number, error: unknown, random: Random): number {
  const backMs = backoffMs(backoff, failures, random);
  const askedMs = error instanceof ClusterError ? (error.retryAfterMs ?? 0) : 0;
  if (askedMs === 0) return backMs;
  // Those who are all told to stay away for 5 s must not all come back in the same moment.
  return Math.max(backMs, Math.min(maxRetryAfterMs, askedMs) + backoff.firstMs * random());
}
