import { describe, expect, it } from 'vitest';

import { slowToEnd, stillEnding } from '../../../../agent/reboot/drain/grace.ts';
import type { DrainOptions } from '../../../../agent/reboot/drain/options.ts';
import { drainPod } from './pods.ts';

type Options = Parameters<typeof slowToEnd>[1];
const halfAnHour: Options = { timeoutMs: 1_800_000, podTimeoutMs: undefined, gracePeriodSeconds: undefined };

const db = drainPod('db', { graceSeconds: 7200 });
const ending = { endsAtMs: Date.UTC(2026, 0, 1, 2), endAskedAtMs: Date.UTC(2026, 0, 1) };

describe('pods that may take longer to end than a drain waits for them', () => {
  const told = (options: Partial<DrainOptions>): string | undefined => slowToEnd([db], { ...halfAnHour, ...options });

  it('are named with the longest time of them, and with the limit', () => {
    const pods = [db, drainPod('web'), drainPod('queue', { graceSeconds: 3600 })];
    const text = 'shop/db, shop/queue: may take up to 7200 s to end, and drain.timeout is 1800 s';
    expect(slowToEnd(pods, halfAnHour)).toBe(text);
  });

  it('are measured by the shorter of the two limits', () => {
    expect(told({ podTimeoutMs: 20_000 })).toContain('drain.podTimeout is 20 s');
    expect(told({ podTimeoutMs: 7_200_000 })).toContain('drain.timeout is 1800 s');
    expect(told({ timeoutMs: undefined, podTimeoutMs: 7_200_000 })).toBeUndefined();
    expect(told({ timeoutMs: undefined })).toBeUndefined();
  });

  it('have as long as the limit is, or as the configuration gives them', () => {
    expect(told({ timeoutMs: 7_200_000 })).toBeUndefined();
    expect(told({ gracePeriodSeconds: 60 })).toBeUndefined();
    expect(told({ gracePeriodSeconds: 3600 })).toContain('may take up to 3600 s');
  });

  it('are of no concern where the next drain finds them gone, or where nobody waits for them', () => {
    expect(told({ whenStuck: 'stay' })).toBeUndefined();
    expect(told({ whenStuck: 'go-on' })).toBeUndefined();
  });

  it('have not finished, and their end has not begun', () => {
    expect(slowToEnd([{ ...db, phase: 'Succeeded' }], halfAnHour)).toBeUndefined();
    expect(slowToEnd([{ ...db, ...ending }], halfAnHour)).toBeUndefined();
  });

  it('are why it has ended in vain once their end has begun, whatever becomes of the node', () => {
    expect(stillEnding([db], halfAnHour)).toBeUndefined();
    const text = 'shop/db: may take up to 7200 s to end, and drain.timeout is 1800 s';
    expect(stillEnding([{ ...db, ...ending }], halfAnHour)).toBe(text);
    expect(stillEnding([drainPod('web', ending)], halfAnHour)).toBeUndefined();
  });
});
