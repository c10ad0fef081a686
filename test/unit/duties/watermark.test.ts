import { describe, expect, it } from 'vitest';
import { watchDisk } from '../../../agent/duties/watermark.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import { diskUsage } from '../../../agent/host/disk.ts';
import type { Report } from '../../../agent/images/report.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const MINUTE_MS = 60_000;

/** A disk of 100 bytes, looked at every minute, that may be filled to 85 %. */
class Setting {
  readonly clock = new VirtualClock();
  readonly lines: Record<string, unknown>[] = [];
  readonly measured: number[] = [];
  startAbovePercent: number | undefined = 85;
  usedBytes = 0;
  broken = false;
  runs = 0;
  /** What each run frees. */
  freesBytes = 0;
  readonly #stop = new AbortController();
  readonly #ended = watchDisk(
    {
      measure: async () => {
        if (this.broken) throw new NodetenderError('host/no-statfs', 'no such path');
        return await Promise.resolve(
          diskUsage({ blocks: 100, bfree: 100 - this.usedBytes, bavail: 100 - this.usedBytes, bsize: 1 }),
        );
      },
      startAbovePercent: () => this.startAbovePercent,
      checkEveryMs: () => MINUTE_MS,
      onMeasured: ({ usedBytes }) => this.measured.push(usedBytes),
      run: async () => await Promise.resolve(this.#run()),
      clock: this.clock,
      log: createLogger({
        level: 'info',
        stream: { write: (line) => void this.lines.push(JSON.parse(line) as Record<string, unknown>) },
      }),
    },
    this.#stop.signal,
  );

  async minutes(count: number): Promise<void> {
    await this.clock.advance(count * MINUTE_MS);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  #run(): Report {
    this.runs += 1;
    this.usedBytes -= this.freesBytes;
    return { removed: this.freesBytes > 0 ? [{}] : [] } as unknown as Report;
  }
}

describe('watching the disk', () => {
  it('starts a run when the disk is fuller than it may be, and only then', async () => {
    const setting = new Setting();
    setting.usedBytes = 85;
    await setting.minutes(5);
    expect(setting.runs).toBe(0);
    setting.usedBytes = 86;
    setting.freesBytes = 10;
    await setting.minutes(1);
    expect(setting.runs).toBe(1);
    await setting.minutes(5);
    expect(setting.runs).toBe(1);
    await setting.end();
  });

  it('runs again at the next look while runs free something', async () => {
    const setting = new Setting();
    setting.usedBytes = 99;
    setting.freesBytes = 1;
    await setting.minutes(4);
    expect(setting.runs).toBe(4);
    await setting.end();
  });

  it('rests longer and longer, up to an hour, while runs free nothing', async () => {
    const setting = new Setting();
    setting.usedBytes = 99;
    await setting.minutes(8);
    expect(setting.runs).toBeLessThanOrEqual(4);
    const before = setting.runs;
    await setting.minutes(24 * 60);
    expect(setting.runs - before).toBeGreaterThanOrEqual(23);
    expect(setting.runs - before).toBeLessThanOrEqual(30);
    await setting.end();
  });

  it('does not rest any more once the disk has been emptied and filled again', async () => {
    const setting = new Setting();
    setting.usedBytes = 99;
    await setting.minutes(120);
    setting.usedBytes = 10;
    await setting.minutes(1);
    const before = setting.runs;
    setting.usedBytes = 99;
    await setting.minutes(1);
    expect(setting.runs).toBe(before + 1);
    await setting.end();
  });

  it('measures for the metrics where no limit is set', async () => {
    const setting = new Setting();
    setting.startAbovePercent = undefined;
    setting.usedBytes = 99;
    await setting.minutes(3);
    expect([setting.runs, setting.measured.length]).toEqual([0, 4]);
    await setting.end();
  });

  it('says once that it cannot measure, and goes on when it can', async () => {
    const setting = new Setting();
    setting.broken = true;
    await setting.minutes(10);
    expect(setting.lines.map(({ msg }) => msg)).toEqual(['disk cannot be measured; watermarks do not work']);
    setting.broken = false;
    setting.usedBytes = 90;
    await setting.minutes(1);
    expect(setting.runs).toBe(1);
    await setting.end();
  });
});
