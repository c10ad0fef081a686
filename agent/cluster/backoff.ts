import type { Random } from '../clock.ts';
import { ClusterError } from './errors.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** A Retry-After beyond this is taken for a mistake. */
const maxRetryAfterMs = 300_000;

/** How long to wait after the nth failure in a row: doubling up to `maxMs`, and randomly half of it or more. */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number, random: Random): number {
  // Beyond 2^30 the doubling would leave the range of exact integers, and every maximum has been reached long before.
  const fullMs = Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return fullMs / 2 + (fullMs / 2) * random();
}

/** As `backoffMs`, and not before the time that the server named with `error`. */
export function retryMs(backoff: Backoff, failures: number, error: unknown, random: Random): number {
  const backMs = backoffMs(backoff, failures, random);
  const askedMs = error instanceof ClusterError ? (error.retryAfterMs ?? 0) : 0;
  if (askedMs === 0) return backMs;
  // Those who are all told to stay away for 5 s must not all come back in the same moment.
  return Math.max(backMs, Math.min(maxRetryAfterMs, askedMs) + backoff.firstMs * random());
}
