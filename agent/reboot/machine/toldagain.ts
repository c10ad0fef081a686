import { shortened } from '../../cluster/records.ts';
import type { Reason, ReasonCode } from '../state.ts';
import type { Moment } from './moment.ts';

/** A person's word, which another person waits for. */
const spoken: ReadonlySet<ReasonCode> = new Set(['held', 'paused']);

/** Behind one name of a gate there may be one pod after another, or one alert. */
const inTheWay: ReadonlySet<ReasonCode> = new Set([
  'gate-blocks',
  'outside-window',
  'facts-missing',
  'hooks-pending',
  'drain-blocked',
  'health-pending',
  'unhealthy',
]);

/** In a workload that is rolled out the names change by the minute; each telling is a write of the Node and an Event. */
const TOLD_AGAIN_AFTER_MS = 10 * 60_000;

/** Whether what stands in the record of the same reason names something that is no longer in the way, or misses what is. */
export function isToldAgain({ state, facts }: Moment, { code, text }: Reason): boolean {
  if (code !== state.reason.code) return false;
  const [before, now] = [shortened(state.reason.text), shortened(text)];
  if (spoken.has(code)) return before !== now;
  return inTheWay.has(code) && facts.recordedForMs >= TOLD_AGAIN_AFTER_MS && namesIn(before) !== namesIn(now);
}

const number = /^[\d.,:%]+$/;

/** What comes in another order, or counts up or down, is the same. */
function namesIn(text: string): string {
  const words = text.split(/[\s;,]+/).filter((word) => !number.test(word));
  return words.toSorted().join(' ');
}
