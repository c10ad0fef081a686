import type { Random } from '../clock.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** How long to wait after the nth failure in a row: doubling up to `maxMs`, and randomly half of it or more. */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number, random: Random): number {
  // Beyond 2^30 the doubling would leave the range of exact integers, and every maximum has been reached long before.
  const fullMs = Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
  return fullMs / 2 + (fullMs / 2) * random();
}
