import { setTimeout as delay } from 'node:timers/promises';

/** Time as a parameter: tests and simulations pass their own, so that no test sleeps. */
export interface Clock {
  /** Wall-clock time, milliseconds since the epoch. May jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary origin; never goes back. For durations. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts: it never rejects, callers look at the signal. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A number in [0, 1), as Math.random gives it. */
export type Random = () => number;

/** Node takes no longer timer: it fires after 1 ms instead (https://nodejs.org/api/timers.html#settimeoutcallback-delay-args). */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    const timer = async (pieceMs: number): Promise<void> =>
      await delay(pieceMs, undefined, { ref: true, ...(signal ? { signal } : {}) });
    try {
      await sleepInPieces(ms, timer);
    } catch {
      // The only rejection is the abort; the caller looks at its signal.
    }
  },
};

/** By timers, none of which is longer than Node takes, one after the other. Rejects as they do. */
export async function sleepInPieces(ms: number, timer: (pieceMs: number) => Promise<void>): Promise<void> {
  // Whoever computes how long is left may find that it is over; Node warns of a negative time.
  let leftMs = Math.max(0, ms);
  do {
    const pieceMs = Math.min(leftMs, longestTimerMs);
    await timer(pieceMs);
    leftMs -= pieceMs;
  } while (leftMs > 0);
}
