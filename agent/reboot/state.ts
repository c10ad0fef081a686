/**
 * The words of the reboot machine: what it remembers, what it is told, what it asks for. Plain values only.
 *
 * The shell around it goes round like this: gather an Observation → `next` → do the effects in their order, up to the first
 * that fails → again, as soon as a fact or the state has changed or the time of `wait` has come. An effect that failed or got lost needs no
 * handling of its own: the next Observation shows that it was not done, and the machine asks for it again.
 */

import type { EventReason } from '../eventreasons.ts';

export const phases = [
  'idle',
  /** A reboot is needed; something stands in the way of asking for a slot. */
  'wanted',
  /** Nothing stands in the way: asks for a slot. The nodes among whom a slot is handed on. */
  'waiting',
  /** Has a slot and takes no new pods. */
  'cordoned',
  'draining',
  /** The reboot was ordered, or is about to be: the record precedes the order. */
  'rebooting',
  /** The boot ID has changed: the node has yet to show that it is well. */
  'verifying',
  /** Gives back what was taken: the cordon, then the slot. After a reboot, or when there is no longer a reason for one. */
  'releasing',
  /** Something failed: gives back what was taken and waits until `retryAtMs`. */
  'backing-off',
] as const;
export type Phase = (typeof phases)[number];

/** Beside the cordon, what is put on the Node for the time of a reboot. */
export const marks = ['prefer-no-schedule', 'load-balancers', 'scale-down'] as const;
export type Mark = (typeof marks)[number];

export const needKinds = ['sentinel', 'command', 'request'] as const;

export interface Need {
  /** `request` only where no sentinel asks as well. */
  readonly kind: (typeof needKinds)[number];
  /** The queue for a slot is in this order. */
  readonly sinceMs: number;
  /** The value of `nodetender.dev/reboot` that this reboot will have answered. */
  readonly request?: string | undefined;
  readonly packages: readonly string[];
  /** Of the sentinel's file, also where a person's request is what counts: when it was written last. */
  readonly writtenAtMs?: number | undefined;
}

/** Why a phase was entered, or why it lasts. Codes are stable: metrics, Events and scripts name them. */
export const reasonCodes = [
  'nothing-wanted',
  'node-replaced',
  'unknown-facts',
  /** An answer is on its way. */
  'asking',
  // wanted
  'settling',
  'held',
  'paused',
  'too-soon',
  'outside-window',
  'gate-blocks',
  // waiting … rebooting
  'waiting-for-slot',
  'slot-taken',
  'cordoned',
  'cordon-delay',
  /** The node stands still because it cannot know whether it should go on. */
  'facts-missing',
  'hooks-pending',
  'pods-leaving',
  'drain-blocked',
  'reboot-delay',
  'reboot-sent',
  'going-down',
  'reboot-overdue',
  'not-rebooted',
  /** The last write on the Lease has failed again and again, while the Node can be written. */
  'slot-unconfirmed',
  // verifying, releasing
  'boot-id-changed',
  'node-not-ready',
  'soaking',
  'health-pending',
  'unhealthy',
  'proven',
  'need-gone',
  'left-cordoned',
  // backing off
  'ineffective',
  'uncordoned-by-somebody',
  'slot-lost',
  'hooks-timed-out',
  'drain-failed',
  'drain-impossible',
  'reboot-refused',
  'reboot-did-not-happen',
  'record-damaged',
] as const;
export type ReasonCode = (typeof reasonCodes)[number];

export interface Reason {
  readonly code: ReasonCode;
  /** One sentence for a person, without a final full stop. */
  readonly text: string;
  /** What is in the way, by the names that metrics have: `window`, `prometheus`, `pods`, `budget`, the name of a hook. */
  readonly gates?: readonly string[] | undefined;
}

/**
 * What must survive the agent's death. It stands on the Node (see record.ts), and it is in force only when the API server has
 * taken it: after a write without an answer the shell reads its Node again and goes on from what stands there.
 */
export interface State {
  readonly phase: Phase;
  /** When the phase was entered; wall clock of this host. */
  readonly sinceMs: number;
  readonly reason: Reason;
  /** The Node object all of this is about: one registered again under the same name starts at idle. */
  readonly nodeUid: string;
  readonly need?: Need | undefined;
  /** Name of the Lease that was taken. */
  readonly slot?: string | undefined;
  /** The boot that this record is of, in every phase but `idle`: another one now proves that the host has rebooted since. */
  readonly bootId?: string | undefined;
  readonly cordonedByUs: boolean;
  /** What we put there and nobody else had, in addition to the cordon. */
  readonly marks: readonly Mark[];
  /** Key of the taint that we put there as `prefer-no-schedule`: the configuration may name another by the time it goes. */
  readonly softTaint?: string | undefined;
  /** DaemonSets, as `namespace/name`, whose pod here was not Ready before the cordon: the reboot is not to blame for them. */
  readonly notReadyBefore?: readonly string[] | undefined;
  /** Failures in a row. */
  readonly failures: number;
  /** When to try again, while backing off or with a drain that failed and is to stay. */
  readonly retryAtMs?: number | undefined;
  /** The last reboot that the boot ID has proven. */
  readonly lastReboot?: LastReboot | undefined;
  /** Proven reboots in a row after which the need was still there. */
  readonly inVain: number;
  /** The value of `nodetender.dev/reboot` that was done last. */
  readonly requestHandled?: string | undefined;
}

export interface LastReboot {
  readonly bootId: string;
  readonly atMs: number;
  /** Whether it has been seen if the need went with it. */
  readonly judged: boolean;
  /** `writtenAtMs` of the need before it: a sentinel that has the same is one that the reboot did not take away. */
  readonly needWrittenAtMs?: number | undefined;
  /** Whether it came after a cordon of this agent, of which other workloads know; undefined in records of agents before. */
  readonly announced?: boolean | undefined;
}

export interface Blocker {
  /** Name of the gate, as metrics have it: `prometheus`, `pods`, `inhibitors`, `pool-health`, the name of a hook. */
  readonly gate: string;
  readonly reason: string;
}

/** What one asking has answered. Whoever could not be asked is a blocker. */
export interface Answers {
  /** Since the asking began, by the monotonic clock: the answer speaks of a moment after that. */
  readonly askedAgoMs: number;
  /** Since it was answered; an asking may take longer than an answer stays fresh. */
  readonly answeredAgoMs: number;
  readonly blockedBy: readonly Blocker[];
  /** Of the gates, asked with a slot in hand: DaemonSets, as `namespace/name`, whose pod here is not Ready. Stands in nobody's way. */
  readonly daemonSetsNotReady?: readonly string[] | undefined;
}

export const questions = [
  /** May this node reboot now? Gates, inhibitors of the host, the health of the pool. */
  'gates',
  /** Would the drain succeed, by a dry run? Asked with a slot in hand, before the cordon. */
  'drain',
  /** Do the workloads that want to be asked before a reboot say yes? */
  'before-reboot',
  /** The same, after it. */
  'after-reboot',
  /** Are the DaemonSets' pods ready, the selected pods, the queries? */
  'health',
] as const;
export type Question = (typeof questions)[number];

/** Undefined while it is not known whether we hold a slot. */
export type LockFacts =
  | {
      readonly kind: 'none';
      /** A slot seems free and, by the order of the queue, ours to try now. */
      readonly turn: boolean;
      /** Who or what is in the way, for a person: `worker-3 holds nodetender-workers-0 since 10:12`. */
      readonly waitingFor: string;
    }
  | {
      readonly kind: 'held';
      readonly slot: string;
      /** Since it is known to be held, by the monotonic clock; begins anew with each life of the agent. */
      readonly heldForMs: number;
      /** All held slots were listed after this one was taken, and the budget allows it. */
      readonly checked: boolean;
      /** Slots that we hold besides, by a lost answer. */
      readonly surplus: readonly string[];
    };

export type DrainFacts =
  /** This life of the agent has not begun one since the node was cordoned. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'running';
      readonly podsLeft: number;
      readonly blockedBy: readonly Blocker[];
      /** Since the last pod went, or since the drain began; by the monotonic clock. */
      readonly unchangedForMs: number;
    }
  /** A list has shown that nothing is left to evict. By the monotonic clock. */
  | { readonly kind: 'done'; readonly doneForMs: number }
  /** Out of time, or some pod can never be evicted. By the monotonic clock. */
  | { readonly kind: 'failed'; readonly failedForMs: number; readonly reason: string };

/** What the host has been asked for in this phase. */
export type RebootCall =
  /** This life of the agent began in `rebooting`: the one before may have asked. */
  | { readonly kind: 'unknown' }
  /** This life wrote `rebooting` itself, or is in another phase, and has not asked. */
  | { readonly kind: 'none' }
  | { readonly kind: 'sent'; readonly sentAgoMs: number }
  | { readonly kind: 'refused'; readonly reason: string }
  /** Not asked: the last write on the Lease before it has failed, so many `times` since the node was cordoned. */
  | { readonly kind: 'unconfirmed'; readonly times: number; readonly reason: string };

/**
 * The facts of one moment. Undefined always means "not known", and not knowing leads to no reboot, cordon or uncordon; a node that is
 * cordoned for a reboot goes back when it lasts.
 */
export interface Observation {
  /** Wall clock; may jump. */
  readonly nowMs: number;
  readonly bootId: string;
  /** Of the host, not of the agent. */
  readonly uptimeMs: number;
  readonly sentinel:
    | { readonly wanted: false }
    | {
        readonly wanted: true;
        readonly kind: 'sentinel' | 'command';
        /** Of a file its time of change, of a command when it was first seen true. Wall clock. */
        readonly sinceMs: number;
        /** For how long the file and its list of packages have not changed. */
        readonly settledForMs: number;
        /** Of a file, when it was written last, by the file system; see `NeedSource`. */
        readonly writtenAtMs: number | undefined;
        readonly packages: readonly string[];
      }
    | undefined;
  /** Value of `nodetender.dev/pause` on the control ConfigMap; false where there is none. */
  readonly paused: string | false | undefined;
  /** For how long each has not been known, by the monotonic clock; 0 while it is, and of the slots while nobody looks. */
  readonly unknownForMs: { readonly sentinel: number; readonly pause: number; readonly slots: number };
  /** Since the reason in the record was written, by the monotonic clock; begins anew with each life of the agent. */
  readonly recordedForMs: number;
  /** As of our own last write or later. */
  readonly node:
    | {
        readonly uid: string;
        readonly unschedulable: boolean;
        /** The API server's record of who wrote what names somebody else for the cordon, also in place of ours. */
        readonly cordonedBySomebody: boolean;
        /** As the kubelet reported it last: before it has reported in this boot, `ready` is of the boot before. */
        readonly reportedBootId: string;
        readonly ready: boolean;
        /** For how long this agent has seen it Ready in this boot, by the monotonic clock. */
        readonly readyForMs: number;
        /** Value of `nodetender.dev/hold`. */
        readonly hold: string | undefined;
        /** Value of `nodetender.dev/reboot`, if it is one that may ask. */
        readonly request: string | undefined;
        /** What is there, whoever put it there. */
        readonly marks: readonly Mark[];
      }
    | undefined;
  readonly lock: LockFacts | undefined;
  readonly window: { readonly open: boolean; readonly reason: string; readonly changesAtMs: number | undefined };
  readonly answers: { readonly [question in Question]?: Answers };
  readonly drain: DrainFacts;
  readonly rebootCall: RebootCall;
  /** Of systemd-logind; undefined also where the bus cannot be reached. Asked while rebooting only. */
  readonly preparingForShutdown: boolean | undefined;
}

/**
 * What the shell is to do, in the order of the list; where one fails, the rest is left. Apart from the drain, which runs beside
 * the machine, each is one attempt with a deadline of its own.
 */
export type Effect =
  /**
   * Three ways to write `state` to the Node, one patch with resourceVersion each, so that what somebody else changed meanwhile
   * refuses it: label, annotation and marks alone; the same with `unschedulable: true`; the same with `unschedulable: false`. The
   * patch adds the marks that `state` has and takes away those that only the state before it had. Fed back: `node`, and `state` as the
   * one in force.
   */
  | { readonly kind: 'record'; readonly state: State }
  | { readonly kind: 'cordon'; readonly state: State }
  | { readonly kind: 'uncordon'; readonly state: State }
  /** Ask and answer with new `answers`. */
  | { readonly kind: 'ask'; readonly question: Question }
  /** Try once to take a free slot, then list all held ones; with a slot in hand that is not `checked`, only list. Fed back: `lock`. */
  | { readonly kind: 'acquire' }
  /** The point of no return: a conditional write on the Lease. Fails unless the API server has said yes. Fed back then: `rebootCall`. */
  | { readonly kind: 'confirm'; readonly slot: string }
  /** Hand on. Fed back: `lock`. */
  | { readonly kind: 'release'; readonly slot: string }
  /**
   * See that a drain runs, with no effect where one does. It has run for `ranForMs` in earlier lives, which counts for its time.
   * Fed back: `drain`, each time that its figures change.
   */
  | { readonly kind: 'drain'; readonly ranForMs: number }
  /** See that none runs any more. Fed back: `drain` of kind none, when no request of it is under way. */
  | { readonly kind: 'stop-drain' }
  /** Ask for inhibitors once more, then order the reboot. Fed back: `rebootCall`. */
  | { readonly kind: 'reboot' }
  /** Neither may delay or fail what follows. */
  | { readonly kind: 'notify'; readonly message: 'drain' | 'reboot' | 'uncordon' | 'problem'; readonly text: string }
  | { readonly kind: 'event'; readonly type: 'Normal' | 'Warning'; readonly reason: EventReason; readonly note: string }
  /** Look again then at the latest, with or without a new fact. Always the last, and always there. */
  | { readonly kind: 'wait'; readonly untilMs: number };

export interface Step {
  /** In force once the write among the effects has succeeded; where there is none it equals the state before. */
  readonly state: State;
  /** Why the machine is where it is at this moment; finer than `state.reason`, which is written only when it says something new. */
  readonly reason: Reason;
  readonly effects: readonly Effect[];
}

/** Of a Node on which nothing stands yet. */
export function initialState(nodeUid: string, nowMs: number): State {
  return {
    phase: 'idle',
    sinceMs: nowMs,
    reason: { code: 'nothing-wanted', text: 'no reboot is wanted' },
    nodeUid,
    cordonedByUs: false,
    marks: [],
    failures: 0,
    inVain: 0,
  };
}
