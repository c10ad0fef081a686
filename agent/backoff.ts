import type { Random } from './clock.ts';

/** Doubling from `firstMs` to `longestMs`, each ± a fifth, so that nodes that failed together do not return together. */
export function backoffMs(failures: number, limits: { firstMs: number; longestMs: number }, random: Random): number {
  const doubled = limits.firstMs * 2 ** Math.min(Math.max(0, failures - 1), 30);
  return Math.min(limits.longestMs, doubled) * (0.8 + 0.4 * random());
}
