import type { Clock } from '../../../agent/clock.ts';

/**
 * For real connections without real waits: pauses between attempts pass at once and are remembered, while what guards a
 * call (deadlines, pings) never runs out.
 */
export class QuickClock implements Clock {
  /** Milliseconds of each pause. */
  readonly pauses: number[] = [];
  readonly #longestPauseMs: number;
  #passedMs = 0;

  constructor(longestPauseMs = 9_999) {
    this.#longestPauseMs = longestPauseMs;
  }

  nowMs(): number {
    return Date.UTC(2026, 0, 1) + this.#passedMs;
  }

  monotonicMs(): number {
    return this.#passedMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms <= this.#longestPauseMs) {
      this.pauses.push(ms);
      this.#passedMs += ms;
      return;
    }
    if (signal === undefined || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
  }

  pass(ms: number): void {
    this.#passedMs += ms;
  }
}
