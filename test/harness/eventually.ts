import { setTimeout as delay } from 'node:timers/promises';

const FIRST_POLL_MS = 20;
/**
 * Of the time that has passed: who has waited for seconds need not know to the millisecond. Most of what the real suites asked
 * their API servers for was asked here, and those that compute beside them waited for it.
 */
const POLL_SHARE = 0.05;
const LONGEST_POLL_MS = 250;
/** What is waited for comes at once where the machine is idle, and that says nothing of one that is busy. */
const DEADLINE_MS = 60_000;

/**
 * Waits until `probe` gives something other than undefined or false, and gives that. A probe that throws has not
 * succeeded yet; after `deadlineMs` the last error is the cause of the one thrown. For real processes, which announce
 * readiness in no other way.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = DEADLINE_MS,
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
    const waitedMs = performance.now() - startedMs;
    await delay(Math.min(LONGEST_POLL_MS, Math.max(FIRST_POLL_MS, waitedMs * POLL_SHARE)));
  }
  throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause });
}
