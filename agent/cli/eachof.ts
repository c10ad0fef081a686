/** Enough to be as fast as the connection's rate limit lets one be. */
const IN_FLIGHT = 16;

/** Does `work` for each item, a few at a time. After the first rejection none is begun, and it rejects with that. */
export async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (const item of left) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = Array.from({ length: Math.min(IN_FLIGHT, items.length) }, lane);
  // What is in flight ends first: the caller may close the connection.
  for (const result of await Promise.allSettled(lanes)) if (result.status === 'rejected') throw result.reason;
}
