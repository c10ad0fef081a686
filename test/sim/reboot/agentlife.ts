import { recordedState } from '../../../agent/reboot/record.ts';
import type {
  Answers,
  Blocker,
  DrainFacts,
  Observation,
  Question,
  RebootCall,
  State,
} from '../../../agent/reboot/state.ts';
import type { Surroundings } from './surroundings.ts';

/** What one life of the agent knows; it dies with it. */
export interface AgentLife {
  state: State;
  readonly startedAtMs: number;
  readonly answers: Map<Question, { askedAtMs: number; blockedBy: Blocker[] }>;
  drain:
    | { kind: 'none' }
    | { kind: 'running'; sinceMs: number }
    | { kind: 'done'; atMs: number }
    | { kind: 'failed'; atMs: number };
  rebootCall:
    | { kind: 'unknown' }
    | { kind: 'none' }
    | { kind: 'sent'; atMs: number }
    | { kind: 'refused'; reason: string }
    | { kind: 'unconfirmed'; times: number; reason: string };
  /** In this try. */
  unconfirmed: number;
  blindSinceMs: number | undefined;
  recordedAtMs: number;
  heldSinceMs: number;
  checked: boolean;
  /** When to look again at the latest. */
  lookAtMs: number;
}

export function bootIdOf(boot: number): string {
  return `boot-${boot}`;
}

export function beginLife(around: Surroundings, nowMs: number): AgentLife {
  const { state } = readRecord(around, nowMs);
  return {
    state,
    startedAtMs: nowMs,
    answers: new Map(),
    drain: { kind: 'none' },
    rebootCall: { kind: state.phase === 'rebooting' ? 'unknown' : 'none' },
    unconfirmed: 0,
    blindSinceMs: undefined,
    recordedAtMs: nowMs,
    heldSinceMs: nowMs,
    checked: false,
    lookAtMs: nowMs,
  };
}

export function readRecord({ node, host }: Surroundings, nowMs: number): { state: State; problem?: string } {
  const { labels, annotations } = node;
  return recordedState({ uid: `node-${node.uid}`, labels, annotations }, bootIdOf(host.boot), nowMs);
}

/** `nowMs` is monotonic; the wall clock is `offsetMs` ahead of it. */
export function observe(around: Surroundings, life: AgentLife, nowMs: number, offsetMs: number): Observation {
  const { host, node, slot, window, paused, apiDown } = around;
  const wall = (ms: number): number => ms + offsetMs;
  life.blindSinceMs = host.sentinelUnseen ? (life.blindSinceMs ?? nowMs) : undefined;
  const readyForMs = node.ready ? nowMs - Math.max(node.readySinceMs, life.startedAtMs) : 0;
  return {
    nowMs: wall(nowMs),
    bootId: bootIdOf(host.boot),
    uptimeMs: nowMs - host.bootedAtMs,
    sentinel: sentinelFacts(around, nowMs, offsetMs),
    paused,
    // The Leases are known by a watch, which outlives an API server that does not answer.
    unknownForMs: { sentinel: nowMs - (life.blindSinceMs ?? nowMs), pause: 0, slots: 0 },
    recordedForMs: nowMs - life.recordedAtMs,
    node: {
      uid: `node-${node.uid}`,
      unschedulable: node.unschedulable,
      cordonedBySomebody: node.cordonedBySomebody,
      reportedBootId: bootIdOf(node.reportedBoot),
      ready: node.ready,
      readyForMs,
      hold: node.hold,
      request: node.request,
      marks: node.marks,
    },
    lock: apiDown ? undefined : lockFacts(life, slot.holder, nowMs),
    window: {
      open: window.open,
      reason: window.open ? 'a window is open' : 'no window is open',
      changesAtMs: window.changesAtMs,
    },
    answers: answersOf(life, nowMs),
    drain: drainFacts(around, life, nowMs),
    rebootCall: callFacts(life, nowMs),
    preparingForShutdown: host.busUnreachable ? undefined : host.goingDown,
  };
}

function sentinelFacts({ host }: Surroundings, nowMs: number, offsetMs: number): Observation['sentinel'] {
  if (host.sentinelUnseen) return undefined;
  const { sentinel } = host;
  if (sentinel === undefined) return { wanted: false };
  const { kind, sinceMs, changedAtMs, packages, writtenAtMs } = sentinel;
  return {
    wanted: true,
    kind,
    sinceMs: sinceMs + offsetMs,
    settledForMs: nowMs - changedAtMs,
    writtenAtMs,
    packages,
  };
}

function lockFacts(life: AgentLife, holder: string | undefined, nowMs: number): Observation['lock'] {
  if (holder !== 'us') {
    return {
      kind: 'none',
      turn: holder === undefined,
      waitingFor: holder === undefined ? 'the slot is free' : `${holder} holds the slot`,
    };
  }
  return { kind: 'held', slot: 'slot-0', heldForMs: nowMs - life.heldSinceMs, checked: life.checked, surplus: [] };
}

function answersOf(life: AgentLife, nowMs: number): Observation['answers'] {
  const entries = [...life.answers].map(([question, { askedAtMs, blockedBy }]): [Question, Answers] => [
    question,
    { askedAgoMs: nowMs - askedAtMs, answeredAgoMs: nowMs - askedAtMs, blockedBy },
  ]);
  return Object.fromEntries(entries);
}

function drainFacts({ pods }: Surroundings, { drain }: AgentLife, nowMs: number): DrainFacts {
  if (drain.kind === 'none') return drain;
  if (drain.kind === 'running') {
    const blockedBy = pods.stuck === undefined ? [] : [pods.stuck];
    return { kind: 'running', podsLeft: pods.count, blockedBy, unchangedForMs: nowMs - drain.sinceMs };
  }
  if (drain.kind === 'done') return { kind: 'done', doneForMs: nowMs - drain.atMs };
  return { kind: 'failed', failedForMs: nowMs - drain.atMs, reason: pods.stuck?.reason ?? 'out of time' };
}

function callFacts({ rebootCall: call }: AgentLife, nowMs: number): RebootCall {
  return call.kind === 'sent' ? { kind: 'sent', sentAgoMs: nowMs - call.atMs } : call;
}
