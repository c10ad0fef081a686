import { describe, expect, it } from 'vitest';
import { sleepInPieces, systemClock } from '../../agent/clock.ts';

const dayMs = 86_400_000;
const longestMs = 2 ** 31 - 1;

/** How long each timer is; all are over at once. */
async function timersOf(ms: number): Promise<number[]> {
  const timers: number[] = [];
  await sleepInPieces(ms, async (pieceMs) => void timers.push(pieceMs));
  return timers;
}

describe('a sleep', () => {
  it('of more than a timer can take is of several', async () => {
    expect(await timersOf(60 * dayMs)).toEqual([longestMs, longestMs, 60 * dayMs - 2 * longestMs]);
  });

  it.each([
    [0, 0],
    [-1, 0],
    [longestMs, longestMs],
  ])('of %i ms is of one timer', async (ms, timerMs) => {
    expect(await timersOf(ms)).toEqual([timerMs]);
  });

  it.each([60 * dayMs, Number.POSITIVE_INFINITY])('of %d ms ends with its signal', async (ms) => {
    const stop = new AbortController();
    const sleeping = systemClock.sleep(ms, stop.signal);
    stop.abort();
    expect(await sleeping).toBeUndefined();
  });
});
