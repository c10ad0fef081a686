import type { Clock } from '../../agent/clock.ts';
import { History } from '../../agent/images/history.ts';

export interface WatchedImage {
  readonly id: string;
  readonly names: readonly string[];
}

/**
 * Fills a state directory as an agent would that has watched these images lie unused from `sinceMs` until now. Those
 * without names have been without for as long.
 */
export async function writeWatchedHistory(
  directory: string,
  images: readonly WatchedImage[],
  sinceMs: number,
): Promise<void> {
  let nowMs = sinceMs;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: () => Promise.resolve() };
  const history = await History.open({ directory, clock, watchGapMs: Number.POSITIVE_INFINITY });
  const look = {
    images: images.map(({ id, names }) => ({ id, nameless: names.length === 0 })),
    usedIds: new Set<string>(),
    complete: true,
  };
  history.observe(look);
  nowMs = Date.now();
  history.observe(look);
  await history.save();
  if (history.problem !== undefined) throw history.problem;
}
