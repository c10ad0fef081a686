import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Clock } from '../../agent/clock.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Real time without a sleeper after which a promise is thought to hang: real file work takes long on a busy disk. */
const HANGS_AFTER_MS = 10_000;

/** Time that passes only when a test says so. Sleepers wake in the order of their times, one at a time. */
export class VirtualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const sleeper: Sleeper = { atMs: this.#monotonicMs + Math.max(0, ms), wake };
    this.#sleepers.add(sleeper);
    signal?.addEventListener('abort', wake, { once: true });
    await promise;
    this.#sleepers.delete(sleeper);
    signal?.removeEventListener('abort', wake);
  }

  /** Lets `ms` pass, waking whoever sleeps on the way, and returns when all that they set off has come to rest. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await nextTurn();
    for (let next = this.#nextSleeper(); next !== undefined && next.atMs <= endMs; next = this.#nextSleeper()) {
      this.#pass(next.atMs - this.#monotonicMs);
      this.#wake(next);
      await nextTurn();
    }
    this.#pass(endMs - this.#monotonicMs);
    await nextTurn();
  }

  /** The wall clock jumps, as when somebody sets it; nobody wakes, and the monotonic clock knows nothing of it. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  /** Lets time pass until `promise` settles, and gives its result. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    for (let idleSinceMs = performance.now(); ;) {
      await nextTurn();
      if (settled) return await promise;
      const next = this.#nextSleeper();
      if (next === undefined) {
        if (performance.now() - idleSinceMs > HANGS_AFTER_MS) {
          throw new Error('nobody sleeps, and the promise does not settle');
        }
        continue;
      }
      idleSinceMs = performance.now();
      this.#pass(next.atMs - this.#monotonicMs);
      this.#wake(next);
    }
  }

  #nextSleeper(): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (first === undefined || sleeper.atMs < first.atMs) first = sleeper;
    return first;
  }

  #pass(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }

  #wake(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
    sleeper.wake();
  }
}
