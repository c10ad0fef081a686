import { beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../agent/clock.ts';

const timers = vi.hoisted(() => ({ ms: [] as number[], onTimer: (): void => undefined }));

/** Timers that are over at once. */
vi.mock('node:timers/promises', () => ({
  setTimeout: async (ms: number, _: unknown, { signal }: { signal?: AbortSignal }) => {
    signal?.throwIfAborted();
    timers.ms.push(ms);
    timers.onTimer();
  },
}));

const dayMs = 86_400_000;
const longestMs = 2 ** 31 - 1;

describe('the clock of the system', () => {
  beforeEach(() => {
    timers.ms.length = 0;
    timers.onTimer = () => undefined;
  });

  it('sleeps for longer than a timer can take in several', async () => {
    await systemClock.sleep(60 * dayMs);
    expect(timers.ms).toEqual([longestMs, longestMs, 60 * dayMs - 2 * longestMs]);
  });

  it.each([
    [0, 0],
    [-1, 0],
    [longestMs, longestMs],
  ])('sleeps for %i ms by one timer', async (ms, timerMs) => {
    await systemClock.sleep(ms);
    expect(timers.ms).toEqual([timerMs]);
  });

  it.each([60 * dayMs, Number.POSITIVE_INFINITY])('is woken by a signal out of a sleep of %d ms', async (ms) => {
    const stop = new AbortController();
    timers.onTimer = () => stop.abort();
    await systemClock.sleep(ms, stop.signal);
    expect(timers.ms).toEqual([longestMs]);
  });
});
