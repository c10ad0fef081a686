import type { Clock } from './clock.ts';

/** Wakes whoever waits for something to change. A ring while nobody waits is not lost: the next wait ends at once. */
export class Bell {
  #rung = Promise.withResolvers<void>();

  ring(): void {
    this.#rung.resolve();
  }

  /** Resolves after a ring, or when `signal` aborts. One waits at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const abort = (): void => resolve();
    signal.addEventListener('abort', abort, { once: true });
    await Promise.race([this.#rung.promise, aborted]);
    signal.removeEventListener('abort', abort);
    this.#rung = Promise.withResolvers<void>();
  }

  /** As `wait`, and `ms` at most. */
  async waitAtMost(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const over = new AbortController();
    // With a reason: without one an error and its stack would be made each time. And AbortSignal.any is dear, too.
    const end = (): void => over.abort(ended);
    signal.addEventListener('abort', end, { once: true });
    void clock.sleep(ms, over.signal).then(end);
    await this.wait(over.signal);
    signal.removeEventListener('abort', end);
    end();
  }
}

const ended = 'ended';
