import type { EventReason } from '../../eventreasons.ts';
import type { Effect, Phase, Reason, ReasonCode } from '../state.ts';

type EventOf = readonly ['Normal' | 'Warning', EventReason] | undefined;

/** The Event that tells each reason, if any. The names are an interface: people filter by them. */
const events: Readonly<Record<ReasonCode, EventOf>> = {
  'nothing-wanted': undefined,
  'node-replaced': ['Warning', 'RebootNodeReplaced'],
  'unknown-facts': ['Warning', 'RebootFactsUnknown'],
  settling: ['Normal', 'RebootWanted'],
  held: ['Warning', 'RebootHeld'],
  paused: ['Warning', 'RebootPaused'],
  'too-soon': ['Normal', 'RebootTooSoon'],
  'outside-window': ['Normal', 'RebootOutsideWindow'],
  'gate-blocks': ['Warning', 'RebootBlocked'],
  asking: ['Normal', 'RebootWanted'],
  'waiting-for-slot': ['Normal', 'RebootWaiting'],
  'slot-taken': ['Normal', 'RebootSlotTaken'],
  cordoned: ['Normal', 'RebootCordoned'],
  'cordon-delay': ['Normal', 'RebootCordonDelay'],
  'facts-missing': ['Warning', 'RebootFactsMissing'],
  'hooks-pending': ['Normal', 'RebootHooksPending'],
  'pods-leaving': ['Normal', 'RebootDraining'],
  'drain-blocked': ['Warning', 'RebootDrainBlocked'],
  'reboot-delay': ['Normal', 'RebootDelay'],
  'reboot-sent': ['Normal', 'Rebooting'],
  'going-down': ['Normal', 'RebootGoingDown'],
  'reboot-overdue': ['Warning', 'RebootOverdue'],
  'not-rebooted': ['Warning', 'RebootNotBegun'],
  'slot-unconfirmed': ['Warning', 'RebootSlotUnconfirmed'],
  'boot-id-changed': ['Normal', 'Rebooted'],
  'node-not-ready': ['Normal', 'RebootNodeNotReady'],
  soaking: ['Normal', 'RebootSoaking'],
  'health-pending': ['Normal', 'RebootHealthPending'],
  unhealthy: ['Warning', 'RebootNodeUnhealthy'],
  proven: ['Normal', 'RebootDone'],
  'need-gone': ['Normal', 'RebootWithdrawn'],
  'left-cordoned': ['Warning', 'RebootLeftCordoned'],
  ineffective: ['Warning', 'RebootIneffective'],
  'uncordoned-by-somebody': ['Warning', 'RebootUncordoned'],
  'slot-lost': ['Warning', 'RebootSlotLost'],
  'hooks-timed-out': ['Warning', 'RebootHooksTimedOut'],
  'drain-failed': ['Warning', 'RebootDrainFailed'],
  'drain-impossible': ['Warning', 'RebootDrainImpossible'],
  'reboot-refused': ['Warning', 'RebootRefused'],
  'reboot-did-not-happen': ['Warning', 'RebootDidNotHappen'],
  'record-damaged': ['Warning', 'RebootRecordDamaged'],
};

/** What a person has to see, beside each try that failed. */
const needsPerson: ReadonlySet<ReasonCode> = new Set([
  // Also where the node stays cordoned until the next drain.
  'drain-failed',
  'reboot-overdue',
  'unhealthy',
  'left-cordoned',
  'record-damaged',
]);

/** The message to people, where `reason` is a new one in `phase`. */
export function problemOf({ code, text }: Reason, phase: Phase): Extract<Effect, { kind: 'notify' }>[] {
  return phase === 'backing-off' || needsPerson.has(code) ? [{ kind: 'notify', message: 'problem', text }] : [];
}

export function eventOf({ code, text }: Reason): Extract<Effect, { kind: 'event' }>[] {
  const event = events[code];
  return event === undefined ? [] : [{ kind: 'event', type: event[0], reason: event[1], note: text }];
}
