import { describe, expect, it } from 'vitest';
import { keepSchedule } from '../../../agent/duties/schedule.ts';
import type { Report } from '../../../agent/images/report.ts';
import { RunTimer } from '../../../agent/images/timer.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { StateDirectory } from '../../emulators/state-directory.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A schedule of once a week without jitter. */
class Setting {
  readonly clock = new VirtualClock();
  readonly runsAtMs: number[] = [];
  readonly nextRuns: (number | undefined)[] = [];
  enabled = true;
  outcome: Report['outcome'] = 'done';
  readonly #stop = new AbortController();
  readonly #startMs = this.clock.nowMs();
  #ended: Promise<void> = Promise.resolve();

  async start(): Promise<void> {
    const { clock } = this;
    const timer = await RunTimer.open({
      directory: '/state',
      clock,
      random: () => 0.5,
      schedule: () => ({ when: { everyMs: 7 * DAY_MS }, jitterMs: 0, runAtStart: false }),
      fileSystem: new StateDirectory(),
    });
    this.#ended = keepSchedule(
      {
        timer,
        isEnabled: () => this.enabled,
        run: async () => {
          this.runsAtMs.push(clock.nowMs() - this.#startMs);
          return await Promise.resolve({ outcome: this.outcome } as Report);
        },
        onNextRun: (atMs) => this.nextRuns.push(atMs),
        clock,
        random: () => 0.5,
        log: createLogger({ level: 'error', stream: { write: () => undefined } }),
      },
      this.#stop.signal,
    );
  }

  async days(count: number): Promise<void> {
    await this.clock.advance(count * DAY_MS);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}

describe('keeping the schedule', () => {
  it('runs when a run is due, and says when the next is', async () => {
    const setting = new Setting();
    await setting.start();
    await setting.days(15);
    expect(setting.runsAtMs.map((ms) => Math.round(ms / DAY_MS))).toEqual([7, 14]);
    expect(setting.nextRuns).toHaveLength(3);
    await setting.end();
  });

  it('tries again after a failed run, in ten minutes at first and in hours later', async () => {
    const setting = new Setting();
    setting.outcome = 'failed';
    await setting.start();
    await setting.days(8);
    const waits = setting.runsAtMs.slice(1).map((ms, at) => (ms - (setting.runsAtMs[at] ?? 0)) / 60_000);
    expect(waits.slice(0, 4).map(Math.round)).toEqual([10, 20, 40, 80]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(6 * 60 * 1.2);
    const before = setting.runsAtMs.length;
    setting.outcome = 'done';
    await setting.days(1);
    expect(setting.runsAtMs).toHaveLength(before + 1);
    await setting.end();
  });

  it('leaves runs out while cleanup is turned off, and keeps time', async () => {
    const setting = new Setting();
    setting.enabled = false;
    await setting.start();
    await setting.days(10);
    setting.enabled = true;
    await setting.days(5);
    expect(setting.runsAtMs.map((ms) => Math.round(ms / DAY_MS))).toEqual([14]);
    await setting.end();
  });
});
