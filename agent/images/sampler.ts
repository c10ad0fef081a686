import type { Clock } from '../clock.ts';
import type { Gatherer } from './gather.ts';
import type { History } from './history.ts';
import type { Inventory } from './inventory.ts';

export interface SamplerOptions {
  readonly gatherer: Pick<Gatherer, 'gather'>;
  readonly history: Pick<History, 'expectLooks' | 'save'>;
  readonly clock: Clock;
  /** Asked again after every look, so that a reloaded interval holds from the next on. */
  readonly everyMs: () => number;
  readonly onSample?: (inventory: Inventory) => void;
  /** A look that failed: the runtime is away, say. The next is taken in time. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Looks at which images are in use, at once and then every so often, until `signal` aborts: a pod that lives for seconds
 * between two weekly runs has used its image, and its exited container is listed for minutes.
 */
export async function sampleUse(options: SamplerOptions, signal: AbortSignal): Promise<void> {
  const { gatherer, history, clock, everyMs, onSample, onFailure } = options;
  while (!signal.aborted) {
    history.expectLooks(everyMs());
    try {
      const inventory = await gatherer.gather(signal);
      await history.save();
      onSample?.(inventory);
    } catch (error) {
      if (!signal.aborted) onFailure?.(error);
    }
    await clock.sleep(everyMs(), signal);
  }
}
