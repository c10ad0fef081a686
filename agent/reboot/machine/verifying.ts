import type { Effect, Phase, Reason, ReasonCode, State, Step } from '../state.ts';
import { givingBack, release } from './givingback.ts';
import { ASK_EVERY_MS, blockersInWords, freshAnswers, gatesOf, hasOurCordon, type Moment } from './moment.ts';
import { judgement } from './need.ts';
import { type Decision, step } from './step.ts';

/** Another boot ID: this, and nothing else, says that the host has rebooted. */
export function rebooted(moment: Moment): Step {
  const { state, facts } = moment;
  const { bootId, nowMs } = facts;
  const needWrittenAtMs = state.need?.writtenAtMs;
  return step(moment, {
    reason: { code: 'boot-id-changed', text: `rebooted: the boot ID is ${bootId}` },
    change: {
      phase: 'verifying',
      // A host that goes down again meanwhile begins its proof anew.
      sinceMs: nowMs,
      bootId,
      lastReboot: { bootId, atMs: nowMs, judged: false, needWrittenAtMs, announced: isAnnounced(state) },
      requestHandled: state.need?.request ?? state.requestHandled,
    },
  });
}

const prepared: ReadonlySet<Phase> = new Set(['cordoned', 'draining', 'rebooting']);

/** A reboot that follows from `state`. Whoever has not been told of one has nothing to say to its end. */
function isAnnounced({ phase, cordonedByUs, lastReboot }: State): boolean {
  if (phase === 'verifying') return lastReboot?.announced !== false;
  return prepared.has(phase) || cordonedByUs;
}

/** Says nothing against the node. */
const onTheWay: ReadonlySet<ReasonCode> = new Set(['asking', 'soaking']);

/** The node has yet to show that it is well; until then it keeps what it has. */
export function verifying(moment: Moment): Step {
  const { state, facts, settings } = moment;
  if (facts.drain.kind !== 'none') {
    return step(moment, { first: [{ kind: 'stop-drain' }], reason: state.reason });
  }
  const missing = notWell(moment);
  if (missing === undefined) return proven(moment);
  const { reason, effects = [], untilMs } = missing;
  if (onTheWay.has(reason.code)) {
    // A node that flaps is told of once: nothing but the proof takes back that it is unwell.
    const isKnown = state.reason.code === 'unhealthy' && reason.code === 'soaking';
    return step(moment, { reason: isKnown ? state.reason : reason, effects, untilMs });
  }
  if (verifiedForMs(moment) < settings.verifyDeadlineMs) return step(moment, { reason, effects, untilMs });
  // The roll stops here, loudly: the next node would meet the same fate.
  const { text, gates } = reason;
  const unwell: Reason = { code: 'unhealthy', text: `not well since the reboot: ${text}`, gates };
  const handedOn = settings.whenUnhealthy === 'go-on' ? release(facts.lock) : [];
  return step(moment, { reason: unwell, effects: [...handedOn, ...effects], untilMs });
}

/**
 * An agent that begins long after the boot has asked nobody before. By the wall clock, for the record outlives the agent; where that was
 * set forward or back, the host's uptime is all that is known.
 */
function verifiedForMs({ state, facts }: Moment): number {
  const sinceMs = facts.nowMs - state.sinceMs;
  return sinceMs < 0 ? facts.uptimeMs : Math.min(facts.uptimeMs, sinceMs);
}

interface Missing {
  readonly reason: Reason;
  readonly effects?: readonly Effect[];
  readonly untilMs?: number;
}

function notWell(moment: Moment): Missing | undefined {
  const { state, facts, node, settings } = moment;
  const { nowMs } = facts;
  if (node.reportedBootId !== facts.bootId) {
    return { reason: { code: 'node-not-ready', text: 'the kubelet has not reported since the reboot' } };
  }
  if (!node.ready) return { reason: { code: 'node-not-ready', text: 'the node is not Ready' } };
  if (node.readyForMs < settings.soakMs) {
    const untilMs = nowMs + settings.soakMs - node.readyForMs;
    return { reason: { code: 'soaking', text: 'the node is Ready; it has to stay so for a while' }, untilMs };
  }
  const sick = answerMissing(moment, 'health', 'health-pending');
  return sick ?? (isAnnounced(state) ? answerMissing(moment, 'after-reboot', 'hooks-pending') : undefined);
}

function answerMissing(
  moment: Moment,
  question: 'health' | 'after-reboot',
  code: 'health-pending' | 'hooks-pending',
): Missing | undefined {
  const answers = freshAnswers(moment, question, { maxAgeMs: ASK_EVERY_MS });
  if (answers === undefined) {
    return {
      reason: { code: 'asking', text: 'it is asked whether the node is well' },
      effects: [{ kind: 'ask', question }],
    };
  }
  if (answers.blockedBy.length === 0) return undefined;
  const untilMs = moment.facts.nowMs + ASK_EVERY_MS - answers.answeredAgoMs + 1;
  return { reason: { code, text: `waiting for ${blockersInWords(answers)}`, gates: gatesOf(answers) }, untilMs };
}

function proven(moment: Moment): Step {
  const { node, state, facts } = moment;
  const judged = judgement(moment);
  const change = { ...judged, phase: 'releasing', failures: 0, retryAtMs: undefined } as const;
  if (hasOurCordon(moment) && node.hold !== undefined) return step(moment, { ...leftCordoned(moment), change });
  const given = givingBack(moment);
  // After a damaged record nobody knows whether there was a reboot, and nothing is said of one.
  const reason: Reason =
    state.lastReboot?.bootId === facts.bootId
      ? { code: 'proven', text: 'rebooted and well' }
      : { code: 'record-damaged', text: 'well; a cordon stays, for its owner is not known' };
  if (given.isDone) return step(moment, { reason, change });
  return step(moment, {
    ...given,
    reason,
    change: { ...change, ...given.change },
    effects: [...(given.effects ?? release(facts.lock)), ...toldOfUncordon(given.write)],
  });
}

export function toldOfUncordon(write: Decision['write']): Effect[] {
  const text = 'rebooted and well: it takes pods again';
  return write === 'uncordon' ? [{ kind: 'notify', message: 'uncordon', text }] : [];
}

/** After the reboot a hold keeps the cordon, not the slot. */
export function leftCordoned({ node, facts }: Moment): { reason: Reason; effects: Effect[] } {
  const text = `rebooted and well, but left cordoned because the node is held${node.hold === '' ? '' : `: ${node.hold}`}`;
  return { reason: { code: 'left-cordoned', text }, effects: release(facts.lock) };
}
