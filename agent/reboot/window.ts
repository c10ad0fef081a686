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
/**
 * For one look ahead, in questions to weekly windows: one that opens anew each day is asked 366 times in a year. Nothing else happens
 * in the process meanwhile, and windows of minutes without an end are not worth more than some twenty milliseconds.
 */
const MAX_COST = 600;
const CRON_COST = 4;

const REASONS = {
  'no-windows': 'reboot.windows allows it at any time',
  allowed: 'a window of reboot.windows.allow is open',
  outside: 'no window of reboot.windows.allow is open',
  denied: 'a window of reboot.windows.deny is open',
} as const;

/** Whether a reboot may happen at `nowMs`, why, and when that changes. */
export function windowAt(windows: Windows, nowMs: number): WindowAnswer {
  const spans = new Spans();
  const code = codeAt(windows, nowMs, spans);
  const { changesAtMs } = aheadOf(windows, nowMs, spans);
  return { open: isOpen(code), code, reason: REASONS[code], changesAtMs };
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

function codeAt({ allow, deny }: Windows, atMs: number, spans: Spans): WindowAnswer['code'] {
  const contains = (window: Window): boolean => spans.at(window, atMs).open;
  if (deny.some(contains)) return 'denied';
  if (allow.length === 0) return 'no-windows';
  return allow.some(contains) ? 'allowed' : 'outside';
}

/** What a look ahead has found. */
interface Ahead {
  readonly fromMs: number;
  readonly changesAtMs: number | undefined;
  /** Up to here another look would find the same. */
  readonly untilMs: number;
}

/** The last look for each configuration: the machine asks with every step, and nothing changes before the change. */
const aheads = new WeakMap<Windows, Ahead>();

function aheadOf(windows: Windows, nowMs: number, spans: Spans): Ahead {
  const known = aheads.get(windows);
  if (known !== undefined && known.fromMs <= nowMs && nowMs < known.untilMs) return known;
  const found = lookAhead(windows, nowMs, spans);
  aheads.set(windows, found);
  return found;
}

function lookAhead(windows: Windows, nowMs: number, spans: Spans): Ahead {
  const openNow = isOpen(codeAt(windows, nowMs, spans));
  let atMs = nowMs;
  // Ends: each round asks one at least whose span is over.
  while (spans.cost < MAX_COST) {
    atMs = settledUntilMs(windows, atMs, spans);
    if (atMs > nowMs + HORIZON_MS) break;
    if (isOpen(codeAt(windows, atMs, spans)) !== openNow) return { fromMs: nowMs, changesAtMs: atMs, untilMs: atMs };
  }
  // From tomorrow on one sees further.
  return { fromMs: nowMs, changesAtMs: undefined, untilMs: Math.min(atMs, nowMs + DAY_MS) };
}

/** A moment after `atMs` before which nothing can change: as late as is easily told. */
function settledUntilMs({ allow, deny }: Windows, atMs: number, spans: Spans): number {
  const ofAllow = allow.map((window) => spans.at(window, atMs));
  const ofDeny = deny.map((window) => spans.at(window, atMs));
  const ends = (among: readonly Span[]): number[] => among.map(({ untilMs }) => untilMs);
  const denying = ofDeny.filter(({ open }) => open);
  // All of them have to close first.
  if (denying.length > 0) return Math.max(...ends(denying));
  const allowing = ofAllow.filter(({ open }) => open);
  if (allowing.length === 0 && allow.length > 0) return Math.min(...ends(ofAllow));
  const allowedUntilMs = allow.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...ends(allowing));
  return Math.min(allowedUntilMs, ...ends(ofDeny));
}

/** A window stays as it is up to `untilMs`; it need not change there. Infinity: never again. */
interface Span {
  readonly open: boolean;
  readonly untilMs: number;
}

/** Of each window the span that was asked for last; moments must not go back. */
class Spans {
  /** Of those that were not known yet. */
  cost = 0;
  readonly #last = new Map<Window, Span>();

  at(window: Window, atMs: number): Span {
    const last = this.#last.get(window);
    if (last !== undefined && atMs < last.untilMs) return last;
    this.cost += 'cron' in window ? CRON_COST : 1;
    const span = 'cron' in window ? cronSpan(window, atMs) : weeklySpan(window, atMs);
    this.#last.set(window, span);
    return span;
  }
}

function cronSpan(window: CronWindow, atMs: number): Span {
  const cron = scheduleOf(window);
  const opens = cron.nextRun(new Date(atMs - window.durationMs))?.getTime() ?? Number.POSITIVE_INFINITY;
  if (opens > atMs) return { open: false, untilMs: opens };
  // The last opening up to now decides: those before it close earlier.
  const last = cron.previousRuns(1, new Date(Math.floor(atMs / 1000) * 1000 + 1000))[0]?.getTime() ?? opens;
  return { open: true, untilMs: last + window.durationMs };
}

function weeklySpan(window: WeeklyWindow, atMs: number): Span {
  const { weekday, minute } = wallClockAt(window.timeZone, atMs);
  const { days, fromMinute, toMinute } = window;
  const opensOn = (day: number): boolean => days.includes(WEEKDAYS[(day + 7) % 7] ?? 'sun');
  const open =
    fromMinute < toMinute
      ? opensOn(weekday) && minute >= fromMinute && minute < toMinute
      : (opensOn(weekday) && minute >= fromMinute) || (opensOn(weekday - 1) && minute < toMinute);
  return { open, untilMs: weeklyBoundary(window, atMs) };
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
