import { expect, it } from 'vitest';
import { queuedSinceMs } from '../../../../agent/reboot/lock/queue.ts';
import { initialState, type State } from '../../../../agent/reboot/state.ts';

const nowMs = Date.UTC(2026, 0, 5, 12);
const waiting: State = {
  ...initialState('uid-1', nowMs),
  phase: 'waiting',
  sinceMs: nowMs,
  need: { kind: 'sentinel', sinceMs: nowMs - 86_400_000, packages: [] },
};

it('a node queues by its need, and after a try that failed by the end of its back-off', () => {
  expect(queuedSinceMs(waiting)).toBe(nowMs - 86_400_000);
  expect(queuedSinceMs({ ...waiting, failures: 1 })).toBe(nowMs);
  // A clock that was set back does not put it before its need.
  expect(queuedSinceMs({ ...waiting, failures: 1, sinceMs: 0 })).toBe(nowMs - 86_400_000);
  expect(queuedSinceMs({ ...waiting, need: undefined })).toBeUndefined();
});
