import type { Need, Reason, State, Step } from '../state.ts';
import { fail, release } from './givingback.ts';
import { freshAnswers, blockersInWords, type Moment } from './moment.ts';
import { SECOND_TRY_AFTER_MS, type Wish, wishOf } from './need.ts';
import { gates, obstacleTo } from './obstacles.ts';
import { step } from './step.ts';

/** With a slot in hand others wait: answers must be of this minute. */
const FRESH_MS = 60_000;

const unseen: Reason = { code: 'unknown-facts', text: 'the sentinel cannot be seen' };

export function idle(moment: Moment): Step {
  const { state, facts } = moment;
  // Whoever damaged the record: a cordon of ours does not stay behind.
  if (state.cordonedByUs || state.marks.length > 0) {
    return step(moment, {
      reason: { code: 'need-gone', text: 'something is left to give back' },
      change: { phase: 'releasing' },
    });
  }
  const wish = wishOf(moment);
  if (wish.kind === 'wanted') return seek(moment, wish.need);
  if (wish.kind === 'ineffective') return tolerate(moment, wish);
  const reason: Reason = wish.kind === 'unknown' ? unseen : { code: 'nothing-wanted', text: 'no reboot is wanted' };
  return step(moment, { reason, effects: release(facts.lock) });
}

export function wanted(moment: Moment): Step {
  const wish = wishOf(moment);
  if (wish.kind === 'wanted') return seek(moment, wish.need);
  return withoutNeed(moment, wish);
}

export function waiting(moment: Moment): Step {
  const { facts, settings } = moment;
  const wish = wishOf(moment);
  if (wish.kind !== 'wanted') return withoutNeed(moment, wish);
  const { need } = wish;
  const { lock } = facts;
  const obstacle = obstacleTo(moment, need, settings.gatesEveryMs);
  if (obstacle !== undefined) return seek(moment, need);
  const change = needChange(moment, need);
  if (lock === undefined) {
    return step(moment, { reason: { code: 'unknown-facts', text: 'it is not known who holds the slots' }, change });
  }
  if (lock.kind === 'none') {
    const reason: Reason = { code: 'waiting-for-slot', text: lock.waitingFor };
    return step(moment, { reason, change, effects: lock.turn ? [{ kind: 'acquire' }] : [] });
  }
  const reason: Reason = { code: 'slot-taken', text: `has taken ${lock.slot}` };
  if (!lock.checked)
    return step(moment, { reason, change: { ...change, slot: lock.slot }, effects: [{ kind: 'acquire' }] });
  return withSlot(moment, need, lock);
}

/** From the slot to the cordon: what has been asked before the slot was taken is asked once more. */
function withSlot(moment: Moment, need: Need, lock: { slot: string; heldForMs: number }): Step {
  const { state, node, settings } = moment;
  const maxAgeMs = Math.min(lock.heldForMs, FRESH_MS);
  const reason: Reason = { code: 'slot-taken', text: `has taken ${lock.slot}` };
  const change = { ...needChange(moment, need), slot: lock.slot };
  if (settings.whenStuck !== 'go-on') {
    const drain = freshAnswers(moment, 'drain', maxAgeMs);
    if (drain === undefined) return step(moment, { reason, change, effects: [{ kind: 'ask', question: 'drain' }] });
    if (drain.blockedBy.length > 0) {
      const text = `a drain cannot succeed: ${blockersInWords(drain)}`;
      return fail(moment, { code: 'drain-impossible', text });
    }
  }
  const obstacle = gates(moment, maxAgeMs);
  if (obstacle?.ask !== undefined)
    return step(moment, { reason, change, effects: [{ kind: 'ask', question: obstacle.ask }] });
  if (obstacle !== undefined) return seek(moment, need, obstacle.reason);
  const added = settings.marks.filter((mark) => !node.marks.includes(mark) && !state.marks.includes(mark));
  return step(moment, {
    reason: { code: 'cordon-delay', text: `has ${lock.slot}; the drain comes next` },
    // An admin's cordon is not ours, and will not be taken away.
    write: node.unschedulable ? 'record' : 'cordon',
    change: { ...change, phase: 'cordoned', cordonedByUs: !node.unschedulable, marks: [...state.marks, ...added] },
  });
}

/** To `waiting`, or to `wanted` with what stands in the way. */
export function seek(moment: Moment, need: Need, blockedBy?: Reason): Step {
  const { facts, settings } = moment;
  const obstacle = blockedBy === undefined ? obstacleTo(moment, need, settings.gatesEveryMs) : { reason: blockedBy };
  const isUnsure = obstacle?.reason.code === 'asking' || obstacle?.reason.code === 'unknown-facts';
  const change = needChange(moment, need, obstacle?.reason.code === 'settling');
  if (obstacle === undefined) {
    const reason: Reason = { code: 'waiting-for-slot', text: 'nothing stands in the way of a slot' };
    return step(moment, { reason, change: { ...change, phase: 'waiting' } });
  }
  // A question on the way does not cost the place in the queue, nor the slot.
  const staysInQueue = isUnsure && moment.state.phase === 'waiting';
  return step(moment, {
    reason: obstacle.reason,
    change: staysInQueue ? change : entering(moment, 'wanted', change),
    effects: [
      ...(obstacle.ask === undefined ? [] : [{ kind: 'ask', question: obstacle.ask } as const]),
      ...(isUnsure ? [] : release(facts.lock)),
    ],
    untilMs: obstacle.untilMs,
  });
}

/** The reboot that was wanted no longer is, or cannot be seen, or would be in vain. */
export function withoutNeed(moment: Moment, wish: Exclude<Wish, { kind: 'wanted' }>): Step {
  if (wish.kind === 'unknown') return step(moment, { reason: unseen });
  if (wish.kind === 'ineffective') return tolerate(moment, wish);
  return becomeIdle(moment, { code: 'need-gone', text: 'the reboot is no longer wanted' });
}

export function becomeIdle(moment: Moment, reason: Reason): Step {
  const { facts } = moment;
  const change: Partial<State> = {
    phase: 'idle',
    need: undefined,
    slot: undefined,
    bootId: undefined,
    retryAtMs: undefined,
    failures: 0,
    marks: [],
  };
  return step(moment, { reason, change, effects: release(facts.lock) });
}

/** Lives with a need that reboots do not meet. */
function tolerate(moment: Moment, { need, atUptimeMs }: Extract<Wish, { kind: 'ineffective' }>): Step {
  const { state, facts } = moment;
  const then =
    atUptimeMs === undefined
      ? 'only a new sentinel or a person starts another'
      : `the next try is ${SECOND_TRY_AFTER_MS / 3_600_000} hours after it`;
  const reason: Reason = {
    code: 'ineffective',
    text: `the ${need.kind} still asks for a reboot after the last one: ${then}`,
  };
  const untilMs = atUptimeMs === undefined ? undefined : facts.nowMs + atUptimeMs - facts.uptimeMs;
  const change = { phase: 'backing-off', need, bootId: facts.bootId, slot: undefined, retryAtMs: untilMs } as const;
  const isKnown = state.phase === 'backing-off' && state.reason.code === 'ineffective';
  return step(moment, { reason, untilMs, ...(isKnown ? {} : { change }), effects: release(facts.lock) });
}

/** The fields of the need that are not recorded yet; undefined when all are. */
function needChange(
  { state, facts, settings, node }: Moment,
  need: Need,
  isSettling = false,
): Partial<State> | undefined {
  // While packages are being installed their list changes by the second.
  const kept = isSettling && state.need !== undefined ? { ...need, packages: state.need.packages } : need;
  const marks =
    state.marks.length === 0 &&
    settings.marks.includes('prefer-no-schedule') &&
    !node.marks.includes('prefer-no-schedule');
  const change: Partial<State> = {
    ...(JSON.stringify(kept) === JSON.stringify(state.need) ? {} : { need: kept }),
    ...(state.bootId === undefined ? { bootId: facts.bootId } : {}),
    ...(marks ? { marks: ['prefer-no-schedule'] } : {}),
  };
  return Object.keys(change).length === 0 ? undefined : change;
}

function entering({ state }: Moment, phase: 'wanted', change: Partial<State> | undefined): Partial<State> | undefined {
  if (state.phase === phase) return change;
  return { ...change, phase, slot: undefined, retryAtMs: undefined };
}
