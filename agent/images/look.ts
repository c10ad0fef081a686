import { backoffMs } from '../backoff.ts';
import type { Clock, Random } from '../clock.ts';
import type { Gatherer } from './gather.ts';
import type { Inventory } from './inventory.ts';

export interface LookOptions {
  readonly gatherer: Pick<Gatherer, 'gather'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
}

/** About half a minute in all: a runtime that is restarted is back by then. */
const TRIES = 6;
/** A use that the runtime cannot explain is seldom explained later: one more second or two of patience. */
const TRIES_WHILE_INCOMPLETE = 3;
const WAIT = { firstMs: 1000, longestMs: 16_000 };

/**
 * Looks at the node, again and again for a while when the runtime does not answer or leaves a use unexplained. Gives the
 * last look, complete or not; rejects with the runtime's last error.
 */
export async function lookPatiently({ gatherer, clock, random, signal }: LookOptions): Promise<Inventory> {
  for (let tries = 1; ; tries += 1) {
    try {
      const inventory = await gatherer.gather(signal);
      if (inventory.unresolved.length === 0 || tries >= TRIES_WHILE_INCOMPLETE) return inventory;
    } catch (error) {
      if (tries >= TRIES || signal?.aborted === true) throw error;
    }
    await clock.sleep(backoffMs(WAIT, tries, random), signal);
    signal?.throwIfAborted();
  }
}
