import { describe, expect, it } from 'vitest';
import { Gate } from '../../../agent/duties/gate.ts';
import { type AgentTrigger, Runs } from '../../../agent/duties/runs.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import type { RunLock } from '../../../agent/images/runlock.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { Metrics } from '../../../agent/observe/metrics.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { emptyReport } from '../images/examples.ts';

/** Runs that last until the test ends them. */
class Setting {
  readonly clock = new VirtualClock();
  readonly stop = new AbortController();
  readonly gate = new Gate();
  readonly began: AgentTrigger[] = [];
  readonly metrics = new Metrics({ version: 'test', commit: 'test' });
  readonly lines: Record<string, unknown>[] = [];
  locked = 0;
  released = 0;
  lockError: Error | undefined;
  readonly #ends: (() => void)[] = [];
  readonly runs = new Runs({
    run: async ({ trigger }, signal) => {
      this.began.push(trigger);
      await new Promise<void>((resolve) => this.#ends.push(resolve));
      return { ...emptyReport, trigger, outcome: signal.aborted ? 'stopped' : 'done' };
    },
    observer: undefined,
    gate: this.gate,
    lock: async () => await this.#lock(),
    clock: this.clock,
    log: createLogger({
      level: 'info',
      stream: { write: (line) => void this.lines.push(JSON.parse(line) as Record<string, unknown>) },
    }),
    metrics: this.metrics,
    signal: this.stop.signal,
  });

  /** Lets what is going on come to rest, then ends the run under way. */
  async endRun(): Promise<void> {
    await this.clock.advance(0);
    this.#ends.shift()?.();
    await this.clock.advance(0);
  }

  async #lock(): Promise<RunLock> {
    if (this.lockError !== undefined) throw this.lockError;
    this.locked += 1;
    return await Promise.resolve({
      problem: undefined,
      release: async () => {
        this.released += 1;
        await Promise.resolve();
      },
    });
  }
}

const busy = new NodetenderError('run/busy', 'somebody else runs');

describe('the runs of the agent', () => {
  it('come one at a time, each under the lock', async () => {
    const setting = new Setting();
    const first = setting.runs.request({ trigger: 'schedule' });
    const second = setting.runs.request({ trigger: 'signal' });
    await setting.clock.advance(0);
    expect([setting.began, setting.locked, setting.released]).toEqual([['schedule'], 1, 0]);
    await setting.endRun();
    expect([setting.began, setting.locked, setting.released]).toEqual([['schedule', 'signal'], 2, 1]);
    await setting.endRun();
    expect((await first)?.trigger).toBe('schedule');
    expect((await second)?.trigger).toBe('signal');
  });

  it('wait at most once for each trigger', async () => {
    const setting = new Setting();
    const all = [setting.runs.request({ trigger: 'signal' })];
    await setting.clock.advance(0);
    for (const trigger of ['signal', 'signal', 'watermark', 'signal', 'watermark'] as const) {
      all.push(setting.runs.request({ trigger }));
    }
    for (let times = 0; times < 3; times += 1) await setting.endRun();
    await Promise.all(all);
    expect(setting.began).toEqual(['signal', 'signal', 'watermark']);
  });

  it('do not begin while the gate is closed, and begin when it opens', async () => {
    const setting = new Setting();
    setting.gate.set('node', { code: 'held', reason: 'a person holds the node' });
    const run = setting.runs.request({ trigger: 'schedule' });
    await setting.clock.advance(60_000);
    expect(setting.began).toEqual([]);
    setting.gate.set('node', undefined);
    await setting.clock.advance(0);
    await setting.endRun();
    expect((await run)?.outcome).toBe('done');
  });

  it('that the gate stops begin again when it opens', async () => {
    const setting = new Setting();
    const run = setting.runs.request({ trigger: 'schedule' });
    await setting.clock.advance(0);
    setting.gate.set('node', { code: 'held', reason: 'a person holds the node' });
    await setting.endRun();
    expect(setting.began).toEqual(['schedule']);
    setting.gate.set('node', undefined);
    await setting.clock.advance(0);
    await setting.endRun();
    expect(setting.began).toEqual(['schedule', 'schedule']);
    expect((await run)?.outcome).toBe('done');
  });

  it('that are withdrawn while they wait do not begin, and tell nothing', async () => {
    const setting = new Setting();
    const withdrawal = new AbortController();
    const wish = { trigger: 'imagelist', subject: 'a', withdrawn: withdrawal.signal } as const;
    setting.gate.set('node', { code: 'held', reason: 'a person holds the node' });
    const run = setting.runs.request(wish);
    const behind = setting.runs.request({ ...wish, subject: 'b' });
    await setting.clock.advance(60_000);
    withdrawal.abort();
    expect([await run, await behind]).toEqual([undefined, undefined]);
    setting.gate.set('node', undefined);
    await setting.clock.advance(60_000);
    expect([setting.began, setting.locked]).toEqual([[], 0]);
  });

  it('that are asked for again after they were withdrawn do not join those', async () => {
    const setting = new Setting();
    const first = setting.runs.request({ trigger: 'schedule' });
    await setting.clock.advance(0);
    const wish = { trigger: 'imagelist', subject: 'a' } as const;
    const withdrawn = setting.runs.request({ ...wish, withdrawn: AbortSignal.abort() });
    const again = setting.runs.request(wish);
    const joins = setting.runs.request(wish);
    await setting.endRun();
    await setting.endRun();
    expect([(await first)?.outcome, await withdrawn, (await again)?.outcome]).toEqual(['done', undefined, 'done']);
    expect(await joins).toBe(await again);
    expect(setting.began).toEqual(['schedule', 'imagelist']);
  });

  it('wait for a person’s clean to end', async () => {
    const setting = new Setting();
    setting.lockError = busy;
    const run = setting.runs.request({ trigger: 'schedule' });
    await setting.clock.advance(10 * 60_000);
    expect(setting.began).toEqual([]);
    setting.lockError = undefined;
    await setting.clock.advance(15_000);
    await setting.endRun();
    expect((await run)?.outcome).toBe('done');
    expect(setting.lines.filter(({ msg }) => msg === 'run waits for another process')).toHaveLength(1);
  });

  it('give up after an hour of waiting, and count that as a failure', async () => {
    const setting = new Setting();
    setting.lockError = busy;
    const run = setting.runs.request({ trigger: 'schedule' });
    await setting.clock.advance(3_700_000);
    expect(await run).toBeUndefined();
    expect((await setting.metrics.page()).body).toContain(
      'nodetender_runs_total{trigger="schedule",outcome="failed"} 1',
    );
  });

  it('stop waiting when the agent ends', async () => {
    const setting = new Setting();
    setting.lockError = busy;
    const run = setting.runs.request({ trigger: 'schedule' });
    await setting.clock.advance(0);
    setting.stop.abort();
    await setting.runs.ended();
    expect(await run).toBeUndefined();
  });

  it('do not begin once the agent ends', async () => {
    const setting = new Setting();
    const first = setting.runs.request({ trigger: 'schedule' });
    const waiting = setting.runs.request({ trigger: 'signal' });
    await setting.clock.advance(0);
    setting.stop.abort();
    await setting.endRun();
    expect([(await first)?.outcome, await waiting]).toEqual(['stopped', undefined]);
    expect(setting.began).toEqual(['schedule']);
  });

  it('give the lock back when a run throws, and go on with the next', async () => {
    const setting = new Setting();
    setting.metrics.runEnded = () => {
      throw new Error('a defect');
    };
    const run = setting.runs.request({ trigger: 'schedule' });
    await setting.endRun();
    expect(await run).toBeUndefined();
    expect(setting.released).toBe(1);
    expect(setting.lines.at(-1)).toMatchObject({ level: 'error', msg: 'run failed' });
  });
});
