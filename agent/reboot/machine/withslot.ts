import type { Need, Reason, Step } from '../state.ts';
import { fail } from './givingback.ts';
import { blockersInWords, FRESH_MS, freshAnswers, gatesOf, type Moment } from './moment.ts';
import { gates } from './obstacles.ts';
import { needChange, seek } from './seek.ts';
import { step } from './step.ts';

/** It costs a request for each pod, and what can never go does not change by the minute. */
const REHEARSED_FOR_MS = 10 * 60_000;

/** From the slot to the cordon: what has been asked before the slot was taken is asked once more. */
export function withSlot(moment: Moment, need: Need, lock: { slot: string; heldForMs: number }): Step {
  const { state, node, settings, facts } = moment;
  const sinceMs = lock.heldForMs;
  const reason: Reason = { code: 'slot-taken', text: `has taken ${lock.slot}` };
  const change = { ...needChange(moment, need), slot: lock.slot };
  if (settings.whenStuck !== 'go-on') {
    const drain = freshAnswers(moment, 'drain', { sinceMs, maxAgeMs: REHEARSED_FOR_MS });
    if (drain === undefined) return step(moment, { reason, change, effects: [{ kind: 'ask', question: 'drain' }] });
    if (drain.blockedBy.length > 0) {
      const text = `a drain is not begun: ${blockersInWords(drain)}`;
      return fail(moment, { code: 'drain-impossible', text, gates: gatesOf(drain) });
    }
  }
  const obstacle = gates(moment, { sinceMs, maxAgeMs: FRESH_MS });
  if (obstacle?.ask !== undefined) {
    return step(moment, { reason, change, effects: [{ kind: 'ask', question: obstacle.ask }] });
  }
  if (obstacle !== undefined) return seek(moment, need, obstacle);
  // Before the cordon is sent: see `waiting`.
  if (state.slot !== lock.slot) return step(moment, { reason, change });
  const added = settings.marks.filter((mark) => !node.marks.includes(mark) && !state.marks.includes(mark));
  return step(moment, {
    reason: {
      code: 'cordoned',
      text: node.unschedulable ? 'somebody has cordoned it already, and it will stay so' : 'it takes no new pods',
    },
    // An admin's cordon is not ours, and will not be taken away.
    write: node.unschedulable ? 'record' : 'cordon',
    change: {
      ...change,
      phase: 'cordoned',
      cordonedByUs: !node.unschedulable,
      marks: [...state.marks, ...added],
      notReadyBefore: facts.answers.gates?.daemonSetsNotReady,
    },
  });
}
