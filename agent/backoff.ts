import type { Random } from './clock.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * How long to wait after the nth failure in a row: doubling up to `longestMs`, each ± a fifth, so that nodes that failed together
 * do not return together.
 */
export function backoffMs({ firstMs, longestMs }: Backoff, failures: number, random: Random): number {
  // Beyond 2^30 the doubling would leave the range of exact integers, and every maximum has been reached long before.
  const fullMs = Math.min(longestMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return fullMs * (0.8 + 0.4 * random());
}
