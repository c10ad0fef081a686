import type { Clock } from '../../../agent/clock.ts';

/** What a removal costs; the defaults fit what was measured on containerd 1.6 and 2.4 with small images. */
export interface RemovalCost {
  /** One collection marks the whole store: this much, … */
  readonly collectionMs: number;
  /** … and this much more for each image in it. */
  readonly perImageMs: number;
}

export const measuredCost: RemovalCost = { collectionMs: 15, perImageMs: 0.1 };

/**
 * The synchronous garbage collection behind RemoveImage: one runs at a time, and every call that arrived before it began
 * shares it. That is why one removal at a time is slow and many in flight are not.
 */
export class GarbageCollector {
  readonly #clock: Clock;
  readonly #cost: RemovalCost | undefined;
  #life = new AbortController();
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(clock: Clock, cost: RemovalCost | undefined) {
    this.#clock = clock;
    this.#cost = cost;
  }

  /** Waits for a collection that begins after this call. False when the runtime died meanwhile. */
  async collect(images: number): Promise<boolean> {
    if (this.#cost === undefined) return true;
    const { signal } = this.#life;
    this.#next ??= this.#after(this.#running, this.#cost.collectionMs + this.#cost.perImageMs * images, signal);
    await this.#next;
    return !signal.aborted;
  }

  /** The runtime died: whoever waits learns it. */
  abandon(): void {
    this.#life.abort();
    this.#life = new AbortController();
    this.#running = undefined;
    this.#next = undefined;
  }

  async #after(previous: Promise<void> | undefined, durationMs: number, signal: AbortSignal): Promise<void> {
    await previous;
    if (signal.aborted) return;
    this.#running = this.#clock.sleep(durationMs, signal);
    this.#next = undefined;
    await this.#running;
  }
}
