import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WEEKDAYS, windowAt } from '../../../agent/reboot/window.ts';
import type { CronWindow, WeeklyWindow, Window, Windows } from '../../../agent/reboot/window.ts';
import { DAY_MINUTES, wallReading } from './wallreading.ts';

const MINUTE_MS = 60_000;
/** Two years, and with them every change of clocks twice. */
const FROM_MS = Date.UTC(2026, 0, 1);
const DAYS = 2 * 365;
/** How much of them is read in one go, and how long before it a window may have opened. */
const READ_DAYS = 40;
const PAST_DAYS = 14;
const READ_MINUTES = (PAST_DAYS + READ_DAYS) * DAY_MINUTES;
/** Half an hour of summer time, none at all, changes at midnight, an offset of 45 minutes, the south. */
const ZONES = ['UTC', 'Europe/Paris', 'Australia/Lord_Howe', 'Africa/Cairo', 'America/Santiago', 'Asia/Kathmandu'];

const readings = new Map<string, Uint16Array>();
function readingOf(timeZone: string, fromDay: number): Uint16Array {
  const years = readings.get(timeZone) ?? wallReading(timeZone, FROM_MS, DAYS * 24);
  readings.set(timeZone, years);
  return years.subarray(fromDay * DAY_MINUTES, fromDay * DAY_MINUTES + READ_MINUTES);
}

/** The slow way: for each minute, whether the window is open in it. */
function minutesOf(window: Window, fromDay: number): Uint8Array {
  const reading = readingOf(window.timeZone, fromDay);
  return 'cron' in window ? cronMinutes(window, reading) : weeklyMinutes(window, reading);
}

function weeklyMinutes({ days, fromMinute, toMinute }: WeeklyWindow, reading: Uint16Array): Uint8Array {
  const week = new Uint8Array(7 * DAY_MINUTES);
  const length = toMinute > fromMinute ? toMinute - fromMinute : toMinute + DAY_MINUTES - fromMinute;
  for (const day of days) {
    const from = WEEKDAYS.indexOf(day) * DAY_MINUTES + fromMinute;
    for (let minute = from; minute < from + length; minute += 1) week[minute % week.length] = 1;
  }
  return Uint8Array.from(reading, (shown) => week[shown] ?? 0);
}

/** Of `minute hour * * weekday` alone, at hours that no zone skips or repeats. */
function cronMinutes({ cron, durationMs }: CronWindow, reading: Uint16Array): Uint8Array {
  const [minute = '', hour = '', , , weekday = ''] = cron.split(' ');
  const opens = Number(weekday) * DAY_MINUTES + Number(hour) * 60 + Number(minute);
  const open = new Uint8Array(reading.length);
  for (const [at, shown] of reading.entries()) if (shown === opens) open.fill(1, at, at + durationMs / MINUTE_MS);
  return open;
}

function slowReading({ allow, deny }: Windows, fromDay: number): Uint8Array {
  const open = new Uint8Array(READ_MINUTES);
  if (allow.length === 0) open.fill(1);
  for (const window of allow) for (const [at, is] of minutesOf(window, fromDay).entries()) if (is === 1) open[at] = 1;
  for (const window of deny) for (const [at, is] of minutesOf(window, fromDay).entries()) if (is === 1) open[at] = 0;
  return open;
}

const timeZone = fc.constantFrom(...ZONES);
const weekly = fc
  .record({
    days: fc.subarray([...WEEKDAYS], { minLength: 1 }),
    fromMinute: fc.oneof(fc.nat({ max: DAY_MINUTES - 1 }), fc.constantFrom(0, 90, 120, 150)),
    toMinute: fc.oneof(fc.integer({ min: 1, max: DAY_MINUTES }), fc.constantFrom(120, 150, 180, DAY_MINUTES)),
    timeZone,
  })
  .filter(({ fromMinute, toMinute }) => fromMinute !== toMinute);
const cron = fc
  .record({ minute: fc.nat({ max: 59 }), hour: fc.integer({ min: 4, max: 22 }), weekday: fc.nat({ max: 6 }), timeZone })
  .chain(({ minute, hour, weekday, timeZone }) =>
    // To two weeks, so that a window opens again before it has closed.
    fc.integer({ min: 1, max: 14 * DAY_MINUTES }).map((minutes) => ({
      cron: `${minute} ${hour} * * ${weekday}`,
      durationMs: minutes * MINUTE_MS,
      timeZone,
    })),
  );
const windows = fc.record({
  allow: fc.array(fc.oneof(weekly, cron), { maxLength: 2 }),
  deny: fc.array(fc.oneof(weekly, cron), { maxLength: 2 }),
});

describe('windows over two years', () => {
  it('are open in the minutes in which a slow reading of the wall clock says so, and tell each change to the minute', () => {
    fc.assert(
      fc.property(windows, fc.nat({ max: DAYS - PAST_DAYS - READ_DAYS }), (windows, fromDay) => {
        const open = slowReading(windows, fromDay);
        const fromMs = FROM_MS + fromDay * DAY_MINUTES * MINUTE_MS;
        for (let at = PAST_DAYS * DAY_MINUTES; at < READ_MINUTES;) {
          const answer = windowAt(windows, fromMs + at * MINUTE_MS);
          expect(answer.open).toBe(open[at] === 1);
          const changesAt = ((answer.changesAtMs ?? Infinity) - fromMs) / MINUTE_MS;
          const otherWay = open.indexOf(answer.open ? 0 : 1, at);
          expect(Math.min(changesAt, READ_MINUTES)).toBe(otherWay === -1 ? READ_MINUTES : otherWay);
          at = changesAt;
        }
      }),
      { numRuns: 30 },
    );
  });
});
