import type { State } from '../state.ts';

/**
 * Since when a node that waits is in the queue for a slot: since it needs a reboot, and after tries that failed since the end of
 * its last back-off, so that one that a budget blocks for ever starves nobody. Undefined where it needs none.
 */
export function queuedSinceMs({ need, failures, sinceMs, phase }: State): number | undefined {
  if (need === undefined) return undefined;
  return failures > 0 && phase === 'waiting' ? Math.max(need.sinceMs, sinceMs) : need.sinceMs;
}
