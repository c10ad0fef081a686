import type { Clock } from '../clock.ts';

export interface Rate {
  readonly perSecond: number;
  /** What may go out at once after a quiet time. */
  readonly burst: number;
}

/** A limit on how fast requests leave. Whoever waits is served in order; how many wait is bounded by their deadlines. */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #rate: Rate;
  /** Below zero: so many are waiting. */
  #tokens: number;
  #countedAtMs: number;

  constructor(rate: Rate, clock: Clock) {
    this.#clock = clock;
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#countedAtMs = clock.monotonicMs();
  }

  /** Resolves when the request may leave, or at once when `signal` aborts. */
  async take(signal: AbortSignal): Promise<void> {
    const { perSecond, burst } = this.#rate;
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#countedAtMs) / 1000) * perSecond) - 1;
    this.#countedAtMs = nowMs;
    if (this.#tokens >= 0) return;
    await this.#clock.sleep((-this.#tokens / perSecond) * 1000, signal);
    // Whoever gave up leaves its place to the others.
    if (signal.aborted) this.#tokens += 1;
  }
}
