import type { Reason, Step } from '../state.ts';
import { fail } from './givingback.ts';
import type { Moment } from './moment.ts';
import { step } from './step.ts';

/**
 * Once may be bad luck: the record that is written next shows whether the API server is there at all. What refuses the Lease again after
 * that, a permission or a webhook, would have a node drained round and round.
 */
const MAX_UNCONFIRMED = 2;

/** The host is still in the boot that was to end. */
export function rebooting(moment: Moment): Step {
  const { state, facts } = moment;
  const { rebootCall: call, preparingForShutdown: goesDown, nowMs } = facts;
  if (call.kind === 'refused') {
    return fail(moment, { code: 'reboot-refused', text: `the host refused to reboot: ${call.reason}` });
  }
  if (call.kind === 'sent') return stillThere(moment, call.sentAgoMs);
  const wasNotOrdered = call.kind === 'none' || call.kind === 'unconfirmed';
  if (goesDown === false || (wasNotOrdered && goesDown === undefined)) {
    if (call.kind === 'unconfirmed' && call.times >= MAX_UNCONFIRMED) {
      const text = `the last write on the Lease before the reboot has failed ${call.times} times: ${call.reason}`;
      return fail(moment, { code: 'slot-unconfirmed', text });
    }
    const text = 'the reboot was not ordered: gates and drain are gone through again';
    return step(moment, { reason: { code: 'not-rebooted', text }, change: { phase: 'cordoned' } });
  }
  // The clock has been set back: only what has passed since then counts.
  if (nowMs < state.sinceMs) return step(moment, { reason: state.reason, change: { sinceMs: nowMs } });
  return stillThere(moment, nowMs - state.sinceMs);
}

/** `askedAgoMs` after the order, or what may have been one. */
function stillThere(moment: Moment, askedAgoMs: number): Step {
  const { facts, settings } = moment;
  const untilMs = facts.nowMs + settings.rebootDeadlineMs - askedAgoMs;
  const isLate = askedAgoMs >= settings.rebootDeadlineMs;
  if (facts.preparingForShutdown === true) {
    // It may end at any moment: while it can, others must not start, and pods must not come back.
    const reason: Reason = isLate
      ? {
          code: 'reboot-overdue',
          text: 'the host has been shutting down for longer than the deadline: somebody has to look',
        }
      : { code: 'going-down', text: 'the host is shutting down' };
    return step(moment, { reason, untilMs: isLate ? undefined : untilMs });
  }
  if (!isLate) return step(moment, { reason: { code: 'reboot-sent', text: 'the reboot has been ordered' }, untilMs });
  return fail(moment, { code: 'reboot-did-not-happen', text: 'the boot ID has not changed within the deadline' });
}
