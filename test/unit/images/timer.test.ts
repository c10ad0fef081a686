import { describe, expect, it } from 'vitest';

import type { Schedule } from '../../../agent/images/schedule.ts';
import { RunTimer } from '../../../agent/images/timer.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { StateDirectory } from '../../emulators/state-directory.ts';
import { DAY_MS, HOUR_MS } from './examples.ts';

class Agent {
  readonly clock = new VirtualClock();
  readonly directory = new StateDirectory();
  schedule: Schedule = { when: { everyMs: 7 * DAY_MS }, jitterMs: HOUR_MS, runAtStart: false };

  async start(share = 0.5): Promise<RunTimer> {
    return await RunTimer.open({
      directory: '/state',
      clock: this.clock,
      random: () => share,
      schedule: () => this.schedule,
      fileSystem: this.directory,
    });
  }

  /** Hours from now until the timer says that a run is due. */
  async hoursUntilDue(timer: RunTimer): Promise<number> {
    const fromMs = this.clock.monotonicMs();
    await this.clock.run(timer.untilDue(new AbortController().signal));
    return (this.clock.monotonicMs() - fromMs) / HOUR_MS;
  }
}

describe('the timer of runs', () => {
  it('waits out the interval and the jitter, then the interval', async () => {
    const agent = new Agent();
    const timer = await agent.start();
    expect(await agent.hoursUntilDue(timer)).toBe(7 * 24 + 0.5);
    await timer.begin();
    expect(await agent.hoursUntilDue(timer)).toBe(7 * 24);
  });

  it('goes on over restarts, with the same jitter', async () => {
    const agent = new Agent();
    await agent.start(0.5);
    await agent.clock.advance(6 * DAY_MS);
    expect(await agent.hoursUntilDue(await agent.start(0.9))).toBe(24.5);
  });

  it('remembers that a run began, so that one which kills the process is not repeated at once', async () => {
    const agent = new Agent();
    const timer = await agent.start();
    await agent.hoursUntilDue(timer);
    await timer.begin();
    const again = await agent.start();
    expect(again.lastRunMs).toBe(agent.clock.nowMs());
    expect(await agent.hoursUntilDue(again)).toBe(7 * 24);
  });

  it('makes a missed run up once', async () => {
    const agent = new Agent();
    await agent.start();
    await agent.clock.advance(60 * DAY_MS);
    const timer = await agent.start();
    expect(await agent.hoursUntilDue(timer)).toBe(0.5);
    await timer.begin();
    expect(await agent.hoursUntilDue(timer)).toBe(7 * 24);
  });

  it('takes a reloaded schedule at once', async () => {
    const agent = new Agent();
    const due = agent.hoursUntilDue(await agent.start());
    await agent.clock.advance(HOUR_MS);
    agent.schedule = { when: { everyMs: 2 * HOUR_MS }, jitterMs: 0, runAtStart: false };
    expect(await due).toBe(2);
  });

  it('is not led far astray when the wall clock is set back by years', async () => {
    const agent = new Agent();
    const timer = await agent.start();
    await agent.hoursUntilDue(timer);
    await timer.begin();
    agent.clock.jump(-3650 * DAY_MS);
    expect(await agent.hoursUntilDue(timer)).toBe(7 * 24);
  });

  it('counts from that moment then, over a restart, too', async () => {
    const agent = new Agent();
    const timer = await agent.start();
    const stop = new AbortController();
    const waiting = timer.untilDue(stop.signal);
    agent.clock.jump(-3650 * DAY_MS);
    await agent.clock.advance(3 * DAY_MS);
    stop.abort();
    await waiting;
    const due = await agent.hoursUntilDue(await agent.start());
    expect(due).toBeCloseTo(4 * 24 + 0.5, 1);
  });

  it('ends the wait at once when the agent stops', async () => {
    const agent = new Agent();
    const timer = await agent.start();
    const stop = new AbortController();
    const waiting = timer.untilDue(stop.signal);
    stop.abort();
    await waiting;
    expect(agent.clock.monotonicMs()).toBe(0);
  });

  it('begins anew, and says so, when its file is damaged', async () => {
    const agent = new Agent();
    agent.directory.files.set('/state/schedule.json', '{"format":');
    const timer = await agent.start();
    expect(timer.problem).toMatchObject({ code: 'state/unreadable' });
    expect(agent.directory.files.get('/state/schedule.json.corrupt')).toBe('{"format":');
    expect(await agent.hoursUntilDue(timer)).toBe(7 * 24 + 0.5);
    expect((await agent.start()).problem).toBeUndefined();
  });

  it('holds in this process where the state cannot be written, and says so', async () => {
    const agent = new Agent();
    agent.directory.refuses = 'ENOSPC: no space left';
    const timer = await agent.start();
    expect(timer.problem).toMatchObject({ code: 'state/unwritable' });
    expect(await agent.hoursUntilDue(timer)).toBe(7 * 24 + 0.5);
  });
});
