import type { Clock } from '../../../agent/clock.ts';

/** The clock of one machine: off by what its owner has set it, and true in how fast it goes. */
export class HostClock implements Clock {
  readonly #time: Clock;
  #offsetMs: number;

  constructor(time: Clock, offsetMs: number) {
    this.#time = time;
    this.#offsetMs = offsetMs;
  }

  nowMs(): number {
    return this.#time.nowMs() + this.#offsetMs;
  }

  monotonicMs(): number {
    return this.#time.monotonicMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#time.sleep(ms, signal);
  }

  /** Nobody wakes, and the monotonic clock knows nothing of it. */
  jump(ms: number): void {
    this.#offsetMs += ms;
  }
}
