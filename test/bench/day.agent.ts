import { systemClock } from '../../agent/clock.ts';

/**
 * The agent as it ships, but for its clock: with each SIGUSR2 a minute passes, and whoever sleeps sleeps a minute less. A day is
 * over in minutes. A sleep that has only just begun may be the deadline of a request that is under way, and stays as it is.
 */
const MINUTE_MS = 60_000;
const JUST_BEGUN_MS = 50;

interface Sleeper {
  readonly begunAtMs: number;
  leftMs: number;
  readonly wake: () => void;
}

let aheadMs = 0;
const sleepers = new Set<Sleeper>();
const sleepReally = systemClock.sleep.bind(systemClock);

process.on('SIGUSR2', () => {
  aheadMs += MINUTE_MS;
  const nowMs = performance.now();
  for (const sleeper of sleepers) {
    if (nowMs - sleeper.begunAtMs < JUST_BEGUN_MS) continue;
    sleeper.leftMs -= MINUTE_MS;
    if (sleeper.leftMs <= nowMs - sleeper.begunAtMs) sleeper.wake();
  }
});

Object.assign(systemClock, {
  nowMs: () => Date.now() + aheadMs,
  monotonicMs: () => performance.now() + aheadMs,
  sleep: async (ms: number, signal?: AbortSignal): Promise<void> => {
    const over = new AbortController();
    const sleeper = { begunAtMs: performance.now(), leftMs: ms, wake: () => over.abort() };
    sleepers.add(sleeper);
    await sleepReally(ms, signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]));
    sleepers.delete(sleeper);
  },
});
void import('../../agent/main.ts');
