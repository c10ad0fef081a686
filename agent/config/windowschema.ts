import { WEEKDAYS } from '../reboot/window.ts';
import { choice, duration, field, filledList, list, mapping, optional, section } from './fields.ts';
import { timeOfDay } from './reboottexts.ts';
import { cron, timeZone } from './texts.ts';

const MAX_WINDOWS = 50;

const window = mapping(
  {
    days: optional(filledList(choice(WEEKDAYS), 7), 'Days on which it opens. Every day when left out.'),
    from: optional(timeOfDay, 'When it opens; 00:00 when left out.'),
    to: optional(timeOfDay, 'When it closes; 24:00 when left out. Before from: on the next day.'),
    cron: optional(cron, 'When it opens, in place of days, from and to.'),
    duration: optional(duration('1m', '31d'), 'How long one opened by cron stays open.'),
    timeZone: optional(timeZone, 'Its IANA time zone. The one of windows when left out.'),
  },
  ({ days, from, to, cron, duration }) => {
    const isWeekly = Boolean(days) || typeof from === 'number' || typeof to === 'number';
    if (cron && isWeekly) return { key: 'cron', what: 'expected either cron or days, from and to, found both' };
    if (cron && !duration) return { key: 'duration', what: 'expected a duration beside cron, found nothing' };
    if (duration && cron === null) return { key: 'duration', what: 'expected cron beside it, found nothing' };
    if (typeof from === 'number' && from >= DAY_MINUTES) {
      return { key: 'from', what: 'expected less than 24:00; a window that opens then opens at 00:00 of the next day' };
    }
    return typeof to === 'number' && to === (from ?? 0)
      ? { key: 'to', what: 'expected another time than from, found the same' }
      : undefined;
  },
);

const DAY_MINUTES = 24 * 60;

export const windowsSection = section('When a node may be rebooted.', {
  allow: field(list(window, MAX_WINDOWS), [], 'Windows in which it may; always when there are none.'),
  deny: field(list(window, MAX_WINDOWS), [], 'Windows in which it may not. They win.'),
  timeZone: field(timeZone, 'UTC', 'IANA time zone of windows that name none.'),
  whenClosed: field(
    choice(['back-out', 'go-on']),
    'back-out',
    'What happens when it closes between cordon and reboot: undo and wait for the next, or reboot all the same.',
  ),
});
