import { WEEKDAYS } from '../../../agent/reboot/window.ts';

const MINUTE_MS = 60_000;
export const DAY_MINUTES = 1440;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** What the clocks of a zone show, minute by minute from `fromMs` on, a full hour: minutes since Sunday 00:00. */
export function wallReading(timeZone: string, fromMs: number, hours: number): Uint16Array {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const shownAt = (minute: number): number => read(format.format(fromMs + minute * MINUTE_MS));
  const reading = new Uint16Array(hours * 60);
  for (let hour = 0; hour < reading.length; hour += 60) {
    const shown = shownAt(hour);
    const isPlain = shownAt(hour + 59) === (shown + 59) % WEEK_MINUTES;
    for (let minute = 0; minute < 60; minute += 1) {
      reading[hour + minute] = isPlain ? (shown + minute) % WEEK_MINUTES : shownAt(hour + minute);
    }
  }
  return reading;
}

/** Of a text such as `Sun 02:30`. */
function read(text: string): number {
  const [day = '', hours = '', minutes = ''] = text.split(/,? |:/);
  return WEEKDAYS.findIndex((name) => name === day.toLowerCase()) * DAY_MINUTES + Number(hours) * 60 + Number(minutes);
}
