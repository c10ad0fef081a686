import { Cron } from 'croner';
import { wallClockAt } from './wallclock.ts';

export const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Open whenever the wall clock of its zone shows a time in it; what it shows twice or never, as clocks change, counts so. */
export interface WeeklyWindow {
  /** Days on which it opens; what is left of it after midnight belongs to the day before. */
  readonly days: readonly Weekday[];
  /** Minutes since midnight, less than 24:00. */
  readonly fromMinute: number;
  /** Minutes since midnight, to 24:00; not more than `fromMinute` means on the next day. */
  readonly toMinute: number;
  readonly timeZone: string;
}

/** Open for a time whenever the cron expression comes round. */
export interface CronWindow {
  readonly cron: string;
  readonly durationMs: number;
  readonly timeZone: string;
}

export type Window = WeeklyWindow | CronWindow;

export interface Windows {
  /** Always, when there are none. */
  readonly allow: readonly Window[];
  /** They win over `allow`. */
  readonly deny: readonly Window[];
}

export interface WindowAnswer {
  readonly open: boolean;
  readonly code: 'no-windows' | 'allowed' | 'outside' | 'denied';
  /** The code as a sentence, without a final full stop. */
  readonly reason: string;
  /** When it next is the other way; undefined when never, or not within a year. */
  readonly changesAtMs: number | undefined;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
/** What does not change for so long is not told: windows repeat by the week or, by cron, by the year. */
const HORIZON_MS = 366 * DAY_MS;
/** A bound for windows of minutes without an end; one a day takes 366. */
const MAX_STEPS = 400;

const REASONS = {
  'no-windows': 'reboot.windows allows it at any time',
  allowed: 'a window of reboot.windows.allow is open',
  outside: 'no window of reboot.windows.allow is open',
  denied: 'a window of reboot.windows.deny is open',
} as const;

/** Whether a reboot may happen at `nowMs`, why, and when that changes. */
export function windowAt(windows: Windows, nowMs: number): WindowAnswer {
  const code = codeAt(windows, nowMs);
  return { open: isOpen(code), code, reason: REASONS[code], changesAtMs: nextChangeMs(windows, nowMs, isOpen(code)) };
}

/** Minutes since midnight of a text such as 22:30; undefined when it is none. */
export function parseTimeOfDay(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{1,2}):([0-5]\d)$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  return minute <= DAY_MINUTES ? minute : undefined;
}

function isOpen(code: WindowAnswer['code']): boolean {
  return code === 'no-windows' || code === 'allowed';
}

function codeAt({ allow, deny }: Windows, atMs: number): WindowAnswer['code'] {
  if (deny.some((window) => contains(window, atMs))) return 'denied';
  if (allow.length === 0) return 'no-windows';
  return allow.some((window) => contains(window, atMs)) ? 'allowed' : 'outside';
}

function nextChangeMs(windows: Windows, nowMs: number, openNow: boolean): number | undefined {
  let atMs = nowMs;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    atMs = settledUntilMs(windows, atMs);
    if (atMs > nowMs + HORIZON_MS) return undefined;
    if (isOpen(codeAt(windows, atMs)) !== openNow) return atMs;
  }
  return undefined;
}

/** A moment after `atMs` before which nothing can change: as late as is easily told. */
function settledUntilMs({ allow, deny }: Windows, atMs: number): number {
  const boundaries = (windows: readonly Window[]): number[] => windows.map((window) => boundaryAfter(window, atMs));
  const denying = deny.filter((window) => contains(window, atMs));
  // All of them have to close first.
  if (denying.length > 0) return Math.max(...boundaries(denying));
  const allowing = allow.filter((window) => contains(window, atMs));
  if (allowing.length === 0 && allow.length > 0) return Math.min(...boundaries(allow));
  const allowedUntilMs = allow.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...boundaries(allowing));
  return Math.min(allowedUntilMs, ...boundaries(deny));
}

function contains(window: Window, atMs: number): boolean {
  if ('cron' in window) {
    const opened = scheduleOf(window).nextRun(new Date(atMs - window.durationMs));
    return opened !== null && opened.getTime() <= atMs;
  }
  const { weekday, minute } = wallClockAt(window.timeZone, atMs);
  const { days, fromMinute, toMinute } = window;
  const opensOn = (day: number): boolean => days.includes(WEEKDAYS[(day + 7) % 7] ?? 'sun');
  if (fromMinute < toMinute) return opensOn(weekday) && minute >= fromMinute && minute < toMinute;
  return (opensOn(weekday) && minute >= fromMinute) || (opensOn(weekday - 1) && minute < toMinute);
}

/** A moment after `atMs` up to which the window stays as it is; it need not change there. Infinity: never again. */
function boundaryAfter(window: Window, atMs: number): number {
  return 'cron' in window ? cronBoundary(window, atMs) : weeklyBoundary(window, atMs);
}

function cronBoundary(window: CronWindow, atMs: number): number {
  const cron = scheduleOf(window);
  const opens = cron.nextRun(new Date(atMs))?.getTime() ?? Number.POSITIVE_INFINITY;
  if (!contains(window, atMs)) return opens;
  // The last opening up to now decides: those before it close earlier.
  const last = cron.previousRuns(1, new Date(Math.floor(atMs / 1000) * 1000 + 1000))[0]?.getTime() ?? atMs;
  return last + window.durationMs;
}

function weeklyBoundary({ timeZone, fromMinute, toMinute }: WeeklyWindow, atMs: number): number {
  const { minute, offsetMs } = wallClockAt(timeZone, atMs);
  const minuteMs = Math.floor((atMs + offsetMs) / MINUTE_MS) * MINUTE_MS - offsetMs;
  const minutes = [fromMinute, toMinute, DAY_MINUTES].map((at) => at - minute).filter((distance) => distance > 0);
  const atBoundaryMs = minuteMs + Math.min(...minutes) * MINUTE_MS;
  if (wallClockAt(timeZone, atBoundaryMs).offsetMs === offsetMs) return atBoundaryMs;
  return clockChange(timeZone, atMs, atBoundaryMs, offsetMs);
}

/** The first moment after `fromMs` with another offset than `offsetMs`, known to have passed at `toMs`. */
function clockChange(timeZone: string, fromMs: number, toMs: number, offsetMs: number): number {
  let before = Math.floor(fromMs / 1000);
  let after = Math.ceil(toMs / 1000);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (wallClockAt(timeZone, middle * 1000).offsetMs === offsetMs) before = middle;
    else after = middle;
  }
  return after * 1000;
}

/** By window, because reading an expression costs more than asking it. */
const schedules = new WeakMap<CronWindow, Cron>();

function scheduleOf(window: CronWindow): Cron {
  const known = schedules.get(window);
  if (known) return known;
  const cron = new Cron(window.cron, { paused: true, mode: '5-part', timezone: window.timeZone });
  schedules.set(window, cron);
  return cron;
}
