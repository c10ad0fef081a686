import type { Clock } from '../../clock.ts';

/** For how long something has been so without a break, by the monotonic clock, and as far as it was looked at. */
export class Lasting {
  readonly #clock: Clock;
  #sinceMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  look(isSo: boolean): number {
    const nowMs = this.#clock.monotonicMs();
    this.#sinceMs = isSo ? (this.#sinceMs ?? nowMs) : undefined;
    return nowMs - (this.#sinceMs ?? nowMs);
  }
}
