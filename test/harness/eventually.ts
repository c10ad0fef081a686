import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 20;

/**
 * Waits until `probe` gives something other than undefined or false, and gives that. A probe that throws has not
 * succeeded yet; after `deadlineMs` the last error is the cause of the one thrown. For real processes, which announce
 * readiness in no other way.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 10_000,
): Promise<T> {
  const startedMs = performance.now();
  let cause: unknown;
  while (performance.now() - startedMs < deadlineMs) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await delay(POLL_MS);
  }
  throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause });
}
