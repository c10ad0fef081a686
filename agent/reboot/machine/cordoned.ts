import type { Reason, Step } from '../state.ts';
import { backOut, fail } from './givingback.ts';
import { ASK_EVERY_MS, blockersInWords, freshAnswers, gatesOf, type Moment } from './moment.ts';
import { wishOf } from './need.ts';
import { held, outOfTime, slotsUnread } from './obstacles.ts';
import { step } from './step.ts';

/** Between the cordon and the drain: load balancers and other workloads get their time. */
export function cordoned(moment: Moment): Step {
  const { state, facts, settings } = moment;
  // Of an earlier try: what left the node then may be back.
  if (facts.drain.kind !== 'none') {
    return step(moment, { first: [{ kind: 'stop-drain' }], reason: state.reason });
  }
  const stopped = stoppedBy(moment);
  if (stopped !== undefined) return stopped;
  const cordonedForMs = sinceCordonMs(moment);
  if (cordonedForMs < settings.cordonDelayMs) {
    const untilMs = facts.nowMs + settings.cordonDelayMs - cordonedForMs;
    return step(moment, { reason: { code: 'cordon-delay', text: 'load balancers get time to notice' }, untilMs });
  }
  // The cordon has taken the votes of the try before off the Node.
  const votes = freshAnswers(moment, 'before-reboot', { maxAgeMs: ASK_EVERY_MS, sinceMs: cordonedForMs });
  if (votes === undefined) {
    const reason: Reason = { code: 'asking', text: 'other workloads are asked' };
    return step(moment, { reason, effects: [{ kind: 'ask', question: 'before-reboot' }] });
  }
  const isTimedOut = cordonedForMs >= settings.cordonDelayMs + settings.hooks.timeoutMs;
  if (votes.blockedBy.length > 0 && !isTimedOut) {
    const untilMs = facts.nowMs + ASK_EVERY_MS - votes.answeredAgoMs + 1;
    const text = `waiting for ${blockersInWords(votes)}`;
    return step(moment, { reason: { code: 'hooks-pending', text, gates: gatesOf(votes) }, untilMs });
  }
  if (votes.blockedBy.length > 0 && settings.hooks.whenTimedOut === 'back-out') {
    const text = `no yes in time from ${blockersInWords(votes)}`;
    return fail(moment, { code: 'hooks-timed-out', text, gates: gatesOf(votes) });
  }
  return step(moment, {
    reason: { code: 'pods-leaving', text: 'the pods are being evicted' },
    change: { phase: 'draining', retryAtMs: undefined },
    effects: [
      { kind: 'notify', message: 'drain', text: 'the pods are being evicted' },
      { kind: 'drain', ranForMs: 0 },
    ],
  });
}

/**
 * What was asked between the slot and the cordon may have taken minutes, and counts for none of what follows the cordon. After a
 * clock that was set back the slot's time alone is known.
 */
function sinceCordonMs({ state, facts }: Moment): number {
  const heldForMs = facts.lock?.kind === 'held' ? facts.lock.heldForMs : 0;
  const sinceMs = facts.nowMs - state.sinceMs;
  return sinceMs < 0 ? heldForMs : Math.min(heldForMs, sinceMs);
}

/** Why a node that is cordoned for a reboot goes no further. Undefined: it may. */
export function stoppedBy(moment: Moment): Step | undefined {
  const { state, facts, node } = moment;
  if (facts.lock?.kind === 'none') {
    return fail(moment, { code: 'slot-lost', text: `${state.slot ?? 'the slot'} is no longer held by this node` });
  }
  if (!node.unschedulable) {
    return fail(moment, { code: 'uncordoned-by-somebody', text: 'somebody has uncordoned the node' });
  }
  const word = held(moment);
  if (word !== undefined && word.reason.code !== 'unknown-facts') return backOut(moment, word.reason);
  const wish = wishOf(moment);
  if (wish.kind === 'none' || wish.kind === 'ineffective') {
    return backOut(moment, { code: 'need-gone', text: 'the reboot is no longer wanted' });
  }
  const need = wish.kind === 'wanted' ? wish.need : state.need;
  const early = outOfTime(moment, need);
  if (early !== undefined) return backOut(moment, early.reason);
  const unknown = unknownFact(moment, wish.kind === 'unknown');
  if (unknown !== undefined) return standStill(moment, unknown);
  // Whoever has asked since gets this reboot, and no second one; whoever has taken it back gets none for it.
  return need?.request === state.need?.request ? undefined : step(moment, { reason: state.reason, change: { need } });
}

/** The sentinel of a changed configuration is unseen until it has been looked at. */
const LEAST_BLINDNESS_MS = 60_000;

interface UnknownFact {
  readonly reason: Reason;
  readonly forMs: number;
}

/** Not knowing is no reason to go on, and none to go back before it lasts: others wait for the slot, and pods for the node. */
function standStill(moment: Moment, { reason, forMs }: UnknownFact): Step {
  const { facts, settings } = moment;
  if (reason.code !== 'facts-missing') return step(moment, { reason });
  const leftMs = Math.max(settings.gatesPatienceMs, LEAST_BLINDNESS_MS) - forMs;
  if (leftMs <= 0) return fail(moment, reason);
  // What is seen again in a moment costs no drain, or one that is begun anew each time would have no end; what is not must not cost
  // any more pods.
  const mayRunForMs = LEAST_BLINDNESS_MS - forMs;
  if (facts.drain.kind !== 'running') return step(moment, { reason, untilMs: facts.nowMs + leftMs });
  if (mayRunForMs > 0) return step(moment, { reason, untilMs: facts.nowMs + mayRunForMs });
  return step(moment, { first: [{ kind: 'stop-drain' }], reason, untilMs: facts.nowMs + leftMs });
}

function unknownFact(moment: Moment, isBlind: boolean): UnknownFact | undefined {
  const { lock, paused, unknownForMs } = moment.facts;
  if (lock === undefined) {
    const briefly: Reason = { code: 'unknown-facts', text: 'it is not known whether the slot is still held' };
    return { reason: slotsUnread(moment)?.reason ?? briefly, forMs: unknownForMs.slots };
  }
  if (paused === undefined) {
    const text = 'it is not known whether all nodes are paused';
    return { reason: { code: 'facts-missing', text, gates: ['pause'] }, forMs: unknownForMs.pause };
  }
  if (!isBlind) return undefined;
  const text = 'the sentinel cannot be seen';
  return { reason: { code: 'facts-missing', text, gates: ['sentinel'] }, forMs: unknownForMs.sentinel };
}
