import { describe, expect, it } from 'vitest';

import {
  firstState,
  nextRunMs,
  type Schedule,
  type ScheduleState,
  stateAfterRun,
  stateAtStart,
  withoutFuture,
} from '../../../agent/images/schedule.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './examples.ts';

const startMs = Date.parse('2026-03-02T12:00:00Z');
const weekly: Schedule = { when: { everyMs: 7 * DAY_MS }, jitterMs: 0, runAtStart: false };

function cron(expression: string, timeZone = 'UTC', jitterMs = 0): Schedule {
  return { when: { cron: expression, timeZone }, jitterMs, runAtStart: false };
}

/** The next `count` runs, each begun when it is due. */
function runs(schedule: Schedule, state: ScheduleState, count: number): string[] {
  const times: string[] = [];
  for (let now = state; times.length < count;) {
    const dueMs = nextRunMs(schedule, now) ?? Number.NaN;
    times.push(new Date(dueMs).toISOString());
    now = stateAfterRun(now, dueMs);
  }
  return times;
}

describe('every so often', () => {
  it('the first run comes one interval after the first start, not at it', () => {
    expect(nextRunMs(weekly, firstState(startMs, 0.5))).toBe(startMs + 7 * DAY_MS);
  });

  it('unless a run at the first start is chosen; a restart is no first start', () => {
    const schedule = { ...weekly, runAtStart: true };
    const state = firstState(startMs, 0.5);
    expect(nextRunMs(schedule, state)).toBe(startMs);
    const restarted = stateAtStart(stateAfterRun(state, startMs), schedule, startMs + HOUR_MS);
    expect(nextRunMs(schedule, restarted)).toBe(startMs + 7 * DAY_MS);
  });

  it('jitter delays the first run by the share of this node, and the distance stays', () => {
    const schedule = { ...weekly, jitterMs: 60 * MINUTE_MS };
    expect(runs(schedule, firstState(startMs, 0.25), 3)).toEqual([
      '2026-03-09T12:15:00.000Z',
      '2026-03-16T12:15:00.000Z',
      '2026-03-23T12:15:00.000Z',
    ]);
  });

  it('jitter is never longer than the interval', () => {
    const hourly: Schedule = { when: { everyMs: HOUR_MS }, jitterMs: DAY_MS, runAtStart: false };
    expect(nextRunMs(hourly, firstState(startMs, 0.5))).toBe(startMs + 1.5 * HOUR_MS);
  });

  it('a restart does not reset the timer', () => {
    const state = stateAfterRun(firstState(startMs, 0), startMs);
    const restarted = stateAtStart(state, weekly, startMs + 6 * DAY_MS);
    expect(nextRunMs(weekly, restarted)).toBe(startMs + 7 * DAY_MS);
  });
});

describe('runs that were missed', () => {
  const schedule = { ...weekly, jitterMs: HOUR_MS };
  const backMs = startMs + 30 * DAY_MS;
  const missed = stateAtStart(stateAfterRun(firstState(startMs, 0.5), startMs), schedule, backMs);

  it('are made up once, after the jitter', () => {
    expect(nextRunMs(schedule, missed)).toBe(backMs + HOUR_MS / 2);
    expect(nextRunMs(schedule, stateAfterRun(missed, backMs + HOUR_MS / 2))).toBe(backMs + HOUR_MS / 2 + 7 * DAY_MS);
  });

  it('are not put off by restarting again and again', () => {
    let state = missed;
    for (let minutes = 10; minutes < 60; minutes += 10)
      state = stateAtStart(state, schedule, backMs + minutes * 60_000);
    expect(nextRunMs(schedule, state)).toBe(backMs + HOUR_MS / 2);
  });

  it('are made up for cron, too', () => {
    const daily = cron('0 3 * * *', 'UTC', HOUR_MS);
    const state = stateAtStart(stateAfterRun(firstState(startMs, 0.5), startMs), daily, startMs + 3 * DAY_MS);
    expect(runs(daily, state, 2)).toEqual(['2026-03-05T12:30:00.000Z', '2026-03-06T03:30:00.000Z']);
  });
});

describe('cron', () => {
  it('runs at the times of its zone, late by the share of the jitter', () => {
    const schedule = cron('30 3 * * 6', 'Asia/Kolkata', 40 * MINUTE_MS);
    expect(runs(schedule, firstState(startMs, 0.5), 2)).toEqual([
      '2026-03-06T22:20:00.000Z',
      '2026-03-13T22:20:00.000Z',
    ]);
  });

  it('a jitter longer than the distance of two runs passes none over', () => {
    const schedule = cron('0 * * * *', 'UTC', 90 * MINUTE_MS);
    expect(runs(schedule, firstState(startMs, 0.9), 3)).toEqual([
      '2026-03-02T14:21:00.000Z',
      '2026-03-02T15:21:00.000Z',
      '2026-03-02T16:21:00.000Z',
    ]);
  });

  it('follows daylight saving time: 3:30 is 3:30 on both sides of the change', () => {
    const before = firstState(Date.parse('2026-03-28T12:00:00Z'), 0);
    expect(runs(cron('30 3 * * *', 'Europe/Berlin'), before, 2)).toEqual([
      '2026-03-29T01:30:00.000Z',
      '2026-03-30T01:30:00.000Z',
    ]);
    const autumn = firstState(Date.parse('2026-10-24T00:00:00Z'), 0);
    expect(runs(cron('30 3 * * *', 'Europe/Berlin'), autumn, 3)).toEqual([
      '2026-10-24T01:30:00.000Z',
      '2026-10-25T02:30:00.000Z',
      '2026-10-26T02:30:00.000Z',
    ]);
  });

  it('a time that the change skips or repeats runs once that day', () => {
    const schedule = cron('30 2 * * *', 'Europe/Berlin');
    const spring = runs(schedule, firstState(Date.parse('2026-03-28T12:00:00Z'), 0), 2);
    expect(spring.map((time) => time.slice(0, 10))).toEqual(['2026-03-29', '2026-03-30']);
    const autumn = runs(schedule, firstState(Date.parse('2026-10-24T12:00:00Z'), 0), 2);
    expect(autumn.map((time) => time.slice(0, 10))).toEqual(['2026-10-25', '2026-10-26']);
  });

  it('that never comes round has no next run', () => {
    expect(nextRunMs(cron('0 0 30 2 *'), firstState(startMs, 0))).toBeUndefined();
  });
});

describe('a clock that was set back', () => {
  it('puts the next run off by one interval at most', () => {
    const state = stateAfterRun(firstState(startMs, 0.5), startMs + 3650 * DAY_MS);
    const sane = withoutFuture(state, startMs);
    expect(nextRunMs(weekly, sane)).toBe(startMs + 7 * DAY_MS);
  });
});
