import type { Clock } from '../../../agent/clock.ts';
import { History } from '../../../agent/images/history.ts';
import type { RuntimeStore } from './store.ts';

export interface PastOptions {
  /** The agent's state directory: where the history is written. */
  readonly directory: string;
  readonly days: number;
  /** When it all ends. */
  readonly nowMs: number;
}

/** Looks this far apart count as watching all the time, as the agent's sampling does. */
const LOOK_EVERY_MS = 5 * 60_000;
const DAY_MS = 86_400_000;

/**
 * Gives a store's images a past: an agent that watched them for some days. Each went out of use on a day of its own, spread
 * evenly over the time and beyond; what has a container is in use to the end.
 */
export async function liveThroughPast(store: RuntimeStore, { directory, days, nowMs }: PastOptions): Promise<void> {
  let clockMs = nowMs - days * DAY_MS;
  const clock: Clock = { nowMs: () => clockMs, monotonicMs: () => clockMs, sleep: async () => undefined };
  const history = await History.open({ directory, clock });
  const inUse = new Set([...store.containers.values()].map(({ imageId }) => imageId));
  const images = [...store.images.values()].map(({ id, tags, digests }, index) => ({
    id,
    nameless: tags.length + digests.length === 0,
    // A third of a day before the beginning means: never seen in use.
    lastUsedMs: inUse.has(id) ? nowMs : clockMs - DAY_MS / 3 + ((index * 37) % 100) * 0.01 * days * DAY_MS,
  }));
  for (; clockMs <= nowMs; clockMs += LOOK_EVERY_MS) {
    const usedIds = new Set(images.filter(({ lastUsedMs }) => lastUsedMs >= clockMs).map(({ id }) => id));
    history.observe({ images, usedIds, complete: true });
  }
  await history.save();
}
