import type { Reason, Step } from '../state.ts';
import { release } from './givingback.ts';
import type { Moment } from './moment.ts';
import { wishOf } from './need.ts';
import { obstacleTo } from './obstacles.ts';
import { needChange, seek, shownNeed } from './seek.ts';
import { step } from './step.ts';
import { withoutNeed } from './withoutneed.ts';
import { withSlot } from './withslot.ts';

/** Six an hour: a pool of hundreds waits for days. */
const GATES_WHILE_WAITING_MS = 10 * 60_000;

export function idle(moment: Moment): Step {
  const { state, facts } = moment;
  // Whoever damaged the record: a cordon of ours does not stay behind.
  if (state.cordonedByUs || state.marks.length > 0) {
    return step(moment, {
      reason: { code: 'need-gone', text: 'something is left to give back' },
      change: { phase: 'releasing', bootId: moment.facts.bootId },
    });
  }
  const wish = wishOf(moment);
  if (wish.kind === 'wanted') return seek(moment, wish.need);
  if (wish.kind !== 'none') return withoutNeed(moment, wish);
  return step(moment, {
    reason: { code: 'nothing-wanted', text: 'no reboot is wanted' },
    effects: release(facts.lock),
  });
}

export function wanted(moment: Moment): Step {
  const wish = wishOf(moment);
  if (wish.kind === 'wanted') return seek(moment, wish.need);
  return withoutNeed(moment, wish);
}

/**
 * A slot in the record says that a cordon may have been sent. One without an answer may still be on its way, also that of an
 * earlier life; it is void as soon as the Node has been written. So the record changes before the slot goes back, and before it is
 * tried for anew, where it may go back at once.
 */
export function waiting(moment: Moment): Step {
  const { facts, settings } = moment;
  const wish = wishOf(moment);
  if (wish.kind !== 'wanted') return withoutNeed(moment, wish);
  const { need } = wish;
  const { lock } = facts;
  // They are asked anew once there is a slot; until then a look now and then keeps those that are blocked out of the queue.
  const obstacle = obstacleTo(moment, need, Math.max(settings.gatesEveryMs, GATES_WHILE_WAITING_MS));
  if (obstacle !== undefined) return seek(moment, need, obstacle);
  const change = needChange(moment, shownNeed(moment, need, 'waiting-for-slot'));
  const unrecorded = { ...change, slot: undefined };
  if (lock === undefined) {
    return step(moment, { reason: { code: 'unknown-facts', text: 'it is not known who holds the slots' }, change });
  }
  if (lock.kind === 'none') {
    const reason: Reason = { code: 'waiting-for-slot', text: lock.waitingFor, gates: ['slot'] };
    return step(moment, { reason, change: unrecorded, effects: lock.turn ? [{ kind: 'acquire' }] : [] });
  }
  if (!lock.checked) {
    const reason: Reason = { code: 'asking', text: `it is asked whether ${lock.slot} may be kept` };
    return step(moment, { reason, change: unrecorded, effects: [{ kind: 'acquire' }] });
  }
  return withSlot(moment, need, lock);
}
