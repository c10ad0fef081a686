import type { DrainFacts, LockFacts, Reason, Step } from '../state.ts';
import { stoppedBy } from './cordoned.ts';
import { fail } from './givingback.ts';
import { blockersInWords, FRESH_MS, gatesOf, type Moment } from './moment.ts';
import { wishOf } from './need.ts';
import { gates } from './obstacles.ts';
import { isRetryDue, retryAtMs } from './retry.ts';
import { step } from './step.ts';

export function draining(moment: Moment): Step {
  const stopped = stoppedBy(moment);
  if (stopped !== undefined) return stopped;
  const { facts, settings } = moment;
  const { drain } = facts;
  switch (drain.kind) {
    case 'none':
      return begin(moment);
    case 'running':
      return underWay(moment, drain);
    case 'failed':
      if (settings.whenStuck === 'go-on') return drained(moment, drain.failedForMs);
      return settings.whenStuck === 'stay' ? drainAgain(moment, drain) : fail(moment, failed(drain));
    case 'done':
      return drained(moment, drain.doneForMs);
    default:
      return drain satisfies never;
  }
}

/** Where an earlier life has begun it already, its time goes on; the clock may have been set back since. */
function begin(moment: Moment): Step {
  const { state, facts } = moment;
  const isNewTry = state.retryAtMs !== undefined;
  return step(moment, {
    reason: { code: 'pods-leaving', text: 'the pods are being evicted' },
    change: isNewTry ? { retryAtMs: undefined, sinceMs: facts.nowMs } : {},
    effects: [{ kind: 'drain', ranForMs: isNewTry ? 0 : Math.max(0, facts.nowMs - state.sinceMs) }],
  });
}

/** A pod in the way of which nothing moves for so long is worth a word; budgets that let pods go one by one are not. */
const STUCK_AFTER_MS = 60_000;

function underWay(moment: Moment, drain: Extract<DrainFacts, { kind: 'running' }>): Step {
  const text = progressInWords(drain);
  if (drain.blockedBy.length === 0) return step(moment, { reason: { code: 'pods-leaving', text } });
  const leftMs = STUCK_AFTER_MS - drain.unchangedForMs;
  if (leftMs > 0) return step(moment, { reason: { code: 'pods-leaving', text }, untilMs: moment.facts.nowMs + leftMs });
  return step(moment, { reason: { code: 'drain-blocked', text, gates: gatesOf(drain) } });
}

/** From the last pod to the order: gates are asked once more, and the last write before the order is on the Lease. */
function drained(moment: Moment, doneForMs: number): Step {
  const { facts, settings } = moment;
  const emptyForMs = doneForMs - settings.rebootDelayMs;
  if (emptyForMs < 0) {
    const reason: Reason = { code: 'reboot-delay', text: 'drained; the reboot is delayed as configured' };
    return step(moment, { reason, untilMs: facts.nowMs - emptyForMs });
  }
  const obstacle = gates(moment, { sinceMs: emptyForMs, maxAgeMs: FRESH_MS });
  if (obstacle?.ask !== undefined) {
    return step(moment, { reason: obstacle.reason, effects: [{ kind: 'ask', question: obstacle.ask }] });
  }
  if (obstacle !== undefined) {
    return emptyForMs >= settings.gatesPatienceMs
      ? fail(moment, obstacle.reason)
      : step(moment, { reason: obstacle.reason, untilMs: obstacle.untilMs });
  }
  // stoppedBy has let nobody through without one.
  if (facts.lock?.kind !== 'held') return step(moment, { reason: { code: 'unknown-facts', text: 'no slot' } });
  return order(moment, facts.lock);
}

/** The record first, so that the next life knows that it may have been ordered; then the point of no return. */
function order(moment: Moment, { slot }: Extract<LockFacts, { kind: 'held' }>): Step {
  const { state, facts } = moment;
  const reason: Reason = { code: 'reboot-sent', text: 'drained, the gates are clear: rebooting' };
  const wish = wishOf(moment);
  // The file as it is now: one that is still so after the reboot has outlived it.
  const need = wish.kind === 'wanted' ? wish.need : state.need;
  return step(moment, {
    reason,
    change: { phase: 'rebooting', slot, need, bootId: facts.bootId, retryAtMs: undefined },
    confirm: slot,
    effects: [{ kind: 'notify', message: 'reboot', text: reason.text }, { kind: 'reboot' }],
  });
}

function drainAgain(moment: Moment, drain: Extract<DrainFacts, { kind: 'failed' }>): Step {
  const { state } = moment;
  const reason = failed(drain);
  if (state.retryAtMs === undefined) {
    const failures = state.failures + 1;
    const untilMs = retryAtMs(moment, failures);
    return step(moment, { reason, change: { failures, retryAtMs: untilMs }, untilMs });
  }
  if (!isRetryDue(moment)) return step(moment, { reason, untilMs: state.retryAtMs });
  return step(moment, { reason, first: [{ kind: 'stop-drain' }] });
}

function failed({ reason }: Extract<DrainFacts, { kind: 'failed' }>): Reason {
  return { code: 'drain-failed', text: `the drain failed: ${reason}`, gates: ['drain'] };
}

function progressInWords(drain: Extract<DrainFacts, { kind: 'running' }>): string {
  const inTheWay = drain.blockedBy.length === 0 ? '' : `, in the way: ${blockersInWords(drain)}`;
  return `${drain.podsLeft} ${drain.podsLeft === 1 ? 'pod' : 'pods'} left${inTheWay}`;
}
