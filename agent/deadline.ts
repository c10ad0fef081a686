import type { Clock } from './clock.ts';

export interface Deadline {
  readonly clock: Clock;
  readonly ms: number;
  /** The caller's own. */
  readonly signal: AbortSignal | undefined;
}

/** How `work` is made to stop. */
export type Stopped = 'deadline' | 'cancelled';

/**
 * Runs `work` with a signal that aborts at the deadline or with the caller's signal, and stops waiting then even where
 * `work` does not look at it. Rejects with what `stopped` makes of the reason, or as `work` does.
 */
export async function withinDeadline<T>(
  { clock, ms, signal }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
  stopped: (why: Stopped) => Error,
): Promise<T> {
  if (signal?.aborted === true) throw stopped('cancelled');
  const stop = new AbortController();
  const over = new AbortController();
  const { promise: halted, reject } = Promise.withResolvers<never>();
  const halt = (why: Stopped): void => {
    // Reject first: the abort makes `work` fail too, with less to say.
    reject(stopped(why));
    stop.abort();
  };
  const cancel = (): void => halt('cancelled');
  signal?.addEventListener('abort', cancel, { once: true });
  const expire = async (): Promise<void> => {
    await clock.sleep(ms, over.signal);
    if (!over.signal.aborted) halt('deadline');
  };
  void expire();
  try {
    return await Promise.race([halted, work(stop.signal)]);
  } finally {
    // With a reason: without one an error and its stack would be made for each call.
    over.abort('over');
    signal?.removeEventListener('abort', cancel);
  }
}
