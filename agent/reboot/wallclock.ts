export interface WallClock {
  /** 0 is Sunday. */
  readonly weekday: number;
  /** Since midnight. */
  readonly minute: number;
  /** What the clock shows less UTC. */
  readonly offsetMs: number;
}

/** One for each zone that a configuration has ever named: there are some six hundred. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** What the clocks on the walls of an IANA time zone show at `atMs`. */
export function wallClockAt(timeZone: string, atMs: number): WallClock {
  const offsetMs = offsetAt(timeZone, atMs);
  const shown = new Date(atMs + offsetMs);
  return { weekday: shown.getUTCDay(), minute: shown.getUTCHours() * 60 + shown.getUTCMinutes(), offsetMs };
}

function offsetAt(timeZone: string, atMs: number): number {
  // The default, spared the loading of Intl's data: 6 MB of the agent's memory.
  if (timeZone === 'UTC') return 0;
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US-u-ca-iso8601', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(timeZone, format);
  }
  const shown = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
  const seconds = Math.floor(atMs / 1000) * 1000;
  return Date.UTC(year, month - 1, day, hour, minute, second) - seconds;
}
