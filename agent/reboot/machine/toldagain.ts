import { isDeepStrictEqual } from 'node:util';
import { shortened } from '../../cluster/records.ts';
import type { Reason, ReasonCode } from '../state.ts';
import type { Moment } from './moment.ts';

/** A person's word, which another person waits for. */
const spoken: ReadonlySet<ReasonCode> = new Set(['held', 'paused']);

/** One vote or pod may come and go beside one that stays away, and behind one name of a gate there may be one after another. */
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
/** Two may be in the way in turns. */
const REPLACED_AFTER_MS = 2 * 60_000;

/** Whether what stands in the record of the same reason names something that is no longer in the way, or misses what is. */
export function isToldAgain({ state, facts }: Moment, { code, text, gates }: Reason): boolean {
  if (code !== state.reason.code) return false;
  const [before, now] = [shortened(state.reason.text), shortened(text)];
  if (spoken.has(code)) return before !== now;
  const namesOther = !isDeepStrictEqual(gates, state.reason.gates);
  if (!inTheWay.has(code)) return namesOther;
  const known = state.reason.gates ?? [];
  // All that is in the way now is another matter than what the record says.
  const isReplaced = known.length > 0 && gates?.every((gate) => !known.includes(gate)) === true;
  if (facts.recordedForMs < (isReplaced ? REPLACED_AFTER_MS : TOLD_AGAIN_AFTER_MS)) return false;
  return namesOther || namesIn(before) !== namesIn(now);
}

const number = /^[\d.,:%]+$/;

/** What comes in another order, or counts up or down, is the same. */
function namesIn(text: string): string {
  const words = text.split(/[\s;,]+/).filter((word) => !number.test(word));
  return words.toSorted().join(' ');
}
