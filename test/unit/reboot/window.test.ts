import { Cron } from 'croner';
import { describe, expect, it, vi } from 'vitest';
import { parseTimeOfDay, WEEKDAYS, windowAt } from '../../../agent/reboot/window.ts';
import type { Window } from '../../../agent/reboot/window.ts';

const nights: Window = { days: WEEKDAYS, fromMinute: 22 * 60, toMinute: 5 * 60, timeZone: 'UTC' };
const saturdays: Window = { days: ['sat'], fromMinute: 22 * 60, toMinute: 5 * 60, timeZone: 'UTC' };
const paris: Window = { days: WEEKDAYS, fromMinute: 150, toMinute: 240, timeZone: 'Europe/Paris' };

function at(time: string, allow: readonly Window[], deny: readonly Window[] = []) {
  const { open, code, changesAtMs } = windowAt({ allow, deny }, Date.parse(time));
  const changes = changesAtMs === undefined ? 'never' : new Date(changesAtMs).toISOString().replace(':00.000Z', 'Z');
  return [open ? 'open' : 'closed', code, changes];
}

describe('a window', () => {
  it('is open always when there are none', () => {
    expect(at('2026-01-01T00:00Z', [])).toEqual(['open', 'no-windows', 'never']);
  });

  it('may go over midnight', () => {
    expect(at('2026-01-01T21:59:59.999Z', [nights])).toEqual(['closed', 'outside', '2026-01-01T22:00Z']);
    expect(at('2026-01-01T22:00Z', [nights])).toEqual(['open', 'allowed', '2026-01-02T05:00Z']);
    expect(at('2026-01-02T04:59:59.999Z', [nights])).toEqual(['open', 'allowed', '2026-01-02T05:00Z']);
    expect(at('2026-01-02T05:00Z', [nights])).toEqual(['closed', 'outside', '2026-01-02T22:00Z']);
  });

  it('belongs to the day on which it opens', () => {
    // The 3rd of January 2026 is a Saturday.
    expect(at('2026-01-03T01:00Z', [saturdays])).toEqual(['closed', 'outside', '2026-01-03T22:00Z']);
    expect(at('2026-01-04T01:00Z', [saturdays])).toEqual(['open', 'allowed', '2026-01-04T05:00Z']);
    expect(at('2026-01-04T05:00Z', [saturdays])).toEqual(['closed', 'outside', '2026-01-10T22:00Z']);
  });

  it('loses what the wall clock skips in spring', () => {
    // In Paris the clocks go from 02:00 to 03:00 on the 29th of March 2026, at 01:00 UTC.
    expect(at('2026-03-29T00:59Z', [paris])).toEqual(['closed', 'outside', '2026-03-29T01:00Z']);
    expect(at('2026-03-29T01:00Z', [paris])).toEqual(['open', 'allowed', '2026-03-29T02:00Z']);
  });

  it('is open twice for what the wall clock shows twice in autumn', () => {
    // From 03:00 back to 02:00 on the 25th of October 2026, at 01:00 UTC.
    expect(at('2026-10-25T00:29Z', [paris])).toEqual(['closed', 'outside', '2026-10-25T00:30Z']);
    expect(at('2026-10-25T00:30Z', [paris])).toEqual(['open', 'allowed', '2026-10-25T01:00Z']);
    expect(at('2026-10-25T01:00Z', [paris])).toEqual(['closed', 'outside', '2026-10-25T01:30Z']);
    expect(at('2026-10-25T01:30Z', [paris])).toEqual(['open', 'allowed', '2026-10-25T03:00Z']);
  });

  it('may come round once a year', () => {
    const newYear: Window = { cron: '0 12 31 12 *', durationMs: 86_400_000, timeZone: 'UTC' };
    expect(at('2026-01-02T00:00Z', [newYear])).toEqual(['closed', 'outside', '2026-12-31T12:00Z']);
    expect(at('2026-12-31T12:00Z', [newYear])).toEqual(['open', 'allowed', '2027-01-01T12:00Z']);
    expect(at('2027-01-01T12:00Z', [newYear])).toEqual(['closed', 'outside', '2027-12-31T12:00Z']);
  });

  it('never closes when it opens again before', () => {
    const always: Window = { cron: '* * * * *', durationMs: 31 * 86_400_000, timeZone: 'UTC' };
    expect(at('2026-01-01T00:00Z', [always])).toEqual(['open', 'allowed', 'never']);
    expect(at('2026-01-01T00:00Z', [], [always])).toEqual(['closed', 'denied', 'never']);
  });

  it('that denies wins over those that allow', () => {
    const firstOfMonth: Window = { cron: '0 0 1 * *', durationMs: 86_400_000, timeZone: 'UTC' };
    expect(at('2026-01-31T23:00Z', [nights], [firstOfMonth])).toEqual(['open', 'allowed', '2026-02-01T00:00Z']);
    expect(at('2026-02-01T23:00Z', [nights], [firstOfMonth])).toEqual(['closed', 'denied', '2026-02-02T00:00Z']);
    expect(at('2026-02-02T00:00Z', [nights], [firstOfMonth])).toEqual(['open', 'allowed', '2026-02-02T05:00Z']);
  });

  it('that follows on another is one with it', () => {
    const morning: Window = { days: WEEKDAYS, fromMinute: 300, toMinute: 480, timeZone: 'UTC' };
    expect(at('2026-01-01T23:00Z', [nights, morning])).toEqual(['open', 'allowed', '2026-01-02T08:00Z']);
  });
});

describe('the look ahead', () => {
  const everyMinute: Window = { cron: '* * * * *', durationMs: 60_000, timeZone: 'UTC' };
  const overlapping: Window = { cron: '*/5 * * * *', durationMs: 360_000, timeZone: 'Europe/Paris' };
  const fromMs = Date.parse('2026-01-01T00:00Z');

  /** Questions to calendars, each of which takes a tenth of a millisecond in which the agent does nothing else. */
  function questionsOf(ask: () => void): number {
    const next = vi.spyOn(Cron.prototype, 'nextRun');
    const previous = vi.spyOn(Cron.prototype, 'previousRuns');
    ask();
    const count = next.mock.calls.length + previous.mock.calls.length;
    next.mockRestore();
    previous.mockRestore();
    return count;
  }

  it('is short where windows follow on one another by the minute, and is not done at each look', () => {
    const windows = { allow: [overlapping], deny: [everyMinute] };
    expect(questionsOf(() => windowAt(windows, fromMs))).toBeLessThanOrEqual(302);
    const nextHour = Array.from({ length: 60 }, (_, minute) => fromMs + minute * 60_000);
    expect(questionsOf(() => nextHour.map((atMs) => windowAt(windows, atMs)))).toBeLessThanOrEqual(2 * 60);
  });

  it('gives no other answer by what it has seen before, though the clock goes back', () => {
    const newYear: Window = { cron: '0 12 31 12 *', durationMs: 86_400_000, timeZone: 'UTC' };
    const windows = { allow: [nights, saturdays], deny: [newYear, paris] };
    for (const hour of [0, 1, 3, 2, 30, 29, 200, 0]) {
      const atMs = fromMs + hour * 3_600_000;
      expect(windowAt(windows, atMs)).toEqual(windowAt({ ...windows }, atMs));
    }
  });

  it('is done anew a day later where it has seen no change', () => {
    const leap: Window = { cron: '0 0 29 2 *', durationMs: 60_000, timeZone: 'UTC' };
    const rare = { allow: [], deny: [leap] };
    expect(windowAt(rare, fromMs).changesAtMs).toBeUndefined();
    expect(windowAt(rare, Date.parse('2027-12-31T00:00Z')).changesAtMs).toBe(Date.parse('2028-02-29T00:00Z'));
  });
});

describe('a time of day', () => {
  it.each([
    ['00:00', 0],
    ['9:05', 545],
    ['24:00', 1440],
    ['24:01', undefined],
    ['12:60', undefined],
    ['12', undefined],
    ['-1:00', undefined],
  ])('%s', (text, minutes) => {
    expect(parseTimeOfDay(text)).toBe(minutes);
  });
});
