import type { Settings } from '../../../agent/reboot/settings.ts';

const minuteMs = 60_000;

/** As the configuration has them by default, without marks. */
export const defaultSettings: Settings = {
  enabled: true,
  settleMs: 5 * minuteMs,
  minIntervalMs: 60 * minuteMs,
  gatesEveryMs: minuteMs,
  gatesPatienceMs: 10 * minuteMs,
  whenWindowCloses: 'back-out',
  cordonDelayMs: 0,
  rebootDelayMs: 0,
  hooks: { timeoutMs: 60 * minuteMs, whenTimedOut: 'back-out' },
  whenStuck: 'back-out',
  rebootDeadlineMs: 10 * minuteMs,
  soakMs: minuteMs,
  verifyDeadlineMs: 30 * minuteMs,
  whenUnhealthy: 'stop',
  backoff: { firstMs: 10 * minuteMs, longestMs: 6 * 60 * minuteMs },
  marks: [],
};
