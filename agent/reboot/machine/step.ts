import type { Effect, Reason, ReasonCode, State, Step } from '../state.ts';
import { eventOf } from './events.ts';
import type { Moment } from './moment.ts';

/** With no fact that changes, one look a minute: it costs no request. */
const LOOK_MS = 60_000;

/** Pass by in a moment: not worth a write, and the reason before them still says more. */
const passing: ReadonlySet<ReasonCode> = new Set(['unknown-facts', 'asking', 'waiting-for-slot']);

/** What a phase decides; `step` makes a Step of it. */
export interface Decision {
  readonly reason: Reason;
  /** Fields of the record that change. Entering a phase is one of them. */
  readonly change?: Partial<State> | undefined;
  /** Which of the three writes carries the change. */
  readonly write?: 'record' | 'cordon' | 'uncordon';
  /** What can be done without the write, and must not wait for it. */
  readonly first?: readonly Effect[];
  readonly effects?: readonly Effect[];
  readonly untilMs?: number | undefined;
}

/** Adds what goes with every decision: the write if the record changes, the Event that tells it, the next look. */
export function step({ state, facts }: Moment, decision: Decision): Step {
  const { reason, change, first = [], effects = [] } = decision;
  const entersPhase = change?.phase !== undefined && change.phase !== state.phase;
  const saysNews = entersPhase || (reason.code !== state.reason.code && !passing.has(reason.code));
  const after: State = {
    ...state,
    ...change,
    ...(saysNews ? { reason } : {}),
    ...(entersPhase ? { sinceMs: facts.nowMs } : {}),
  };
  const isWritten = saysNews || change !== undefined || decision.write !== undefined;
  const untilMs = Math.min(decision.untilMs ?? Number.POSITIVE_INFINITY, facts.nowMs + LOOK_MS);
  return {
    state: isWritten ? after : state,
    reason,
    effects: [
      ...first,
      ...(isWritten ? [{ kind: decision.write ?? 'record', state: after } as const] : []),
      ...(saysNews ? [{ kind: 'event', ...eventOf(reason) } as const] : []),
      ...effects,
      { kind: 'wait', untilMs: Math.max(untilMs, facts.nowMs) },
    ],
  };
}
