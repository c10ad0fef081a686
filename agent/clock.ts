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

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      // Whoever computes how long is left may find that it is over; Node warns of a negative time.
      await delay(Math.max(0, ms), undefined, { ref: true, ...(signal ? { signal } : {}) });
    } catch {
      // The only rejection is the abort; the caller looks at its signal.
    }
  },
};
