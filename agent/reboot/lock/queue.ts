import type { State } from '../state.ts';

/** What of a waiting node's record says where it is in the queue. */
interface Queued extends Pick<State, 'need' | 'failures'> {
  /** It has been waiting since then. */
  readonly sinceMs: number | undefined;
}

/**
 * Since when a node that waits is in the queue for a slot: since it needs a reboot, and after tries that failed since the end of
 * its last back-off, so that one that a budget blocks for ever starves nobody. Undefined where it needs none.
 */
export function queuedSinceMs({ need, failures, sinceMs = 0 }: Queued): number | undefined {
  if (need === undefined) return undefined;
  return failures > 0 ? Math.max(need.sinceMs, sinceMs) : need.sinceMs;
}
