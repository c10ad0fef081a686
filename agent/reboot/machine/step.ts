import { isDeepStrictEqual } from 'node:util';
import type { Effect, Reason, ReasonCode, State, Step } from '../state.ts';
import { eventOf, problemOf } from './events.ts';
import { hasOurCordon, type Moment } from './moment.ts';
import { isToldAgain } from './toldagain.ts';

/** With no fact that changes, one look a minute: it costs no request. */
const LOOK_MS = 60_000;

/** Pass by in a moment: not worth a write, and the reason before them still says more. */
const passing: ReadonlySet<ReasonCode> = new Set(['nothing-wanted', 'unknown-facts', 'asking', 'waiting-for-slot']);

/** What a phase decides; `step` makes a Step of it. */
export interface Decision {
  readonly reason: Reason;
  /** What keeps it from its end: told and counted, while the record goes on to say what has led here. */
  readonly obstacle?: Reason | undefined;
  /** Fields of the record as they are to be; where none of them differs, nothing is written. */
  readonly change?: Partial<State> | undefined;
  /** Which of the three writes carries the change. */
  readonly write?: 'record' | 'cordon' | 'uncordon';
  /** What can be done without the write, and must not wait for it. */
  readonly first?: readonly Effect[];
  /** After the write, the slot whose Lease has to say yes: nobody is told of what it forbids. */
  readonly confirm?: string;
  readonly effects?: readonly Effect[];
  readonly untilMs?: number | undefined;
}

/** Adds what goes with every decision: the write if the record changes, the Event that tells it, the next look. */
export function step(moment: Moment, decision: Decision): Step {
  const { state, facts } = moment;
  const { reason, obstacle, change, first = [], confirm, effects = [] } = decision;
  const entersPhase = change?.phase !== undefined && change.phase !== state.phase;
  const isPassing = passing.has(reason.code);
  const saysOther = entersPhase || (reason.code !== state.reason.code && !isPassing);
  const saysNews = saysOther || (!isPassing && isToldAgain(moment, reason));
  const after: State = {
    ...state,
    // Somebody has uncordoned it, or cordoned it in our place: then it is not ours to take away.
    ...(state.cordonedByUs && !hasOurCordon(moment) ? { cordonedByUs: false } : {}),
    ...change,
    ...(saysNews ? { reason } : {}),
    ...(entersPhase ? { sinceMs: facts.nowMs } : {}),
    softTaint: softTaintAfter(moment, change?.marks ?? state.marks),
  };
  const isWritten = decision.write !== undefined || !isSame(after, state);
  const untilMs = Math.min(decision.untilMs ?? Number.POSITIVE_INFINITY, facts.nowMs + LOOK_MS);
  return {
    state: isWritten ? after : state,
    reason: obstacle ?? reason,
    effects: [
      ...first,
      ...(isWritten ? [{ kind: decision.write ?? 'record', state: after } as const] : []),
      ...(confirm === undefined ? [] : [{ kind: 'confirm', slot: confirm } as const]),
      ...(saysNews ? eventOf(reason) : []),
      ...(obstacle === undefined ? [] : eventOf(obstacle)),
      ...(saysOther ? problemOf(reason, after.phase) : []),
      ...effects,
      { kind: 'wait', untilMs: Math.max(untilMs, facts.nowMs) },
    ],
  };
}

/** As long as the taint stands it is known by the key that it was put there with. */
function softTaintAfter({ state, settings }: Moment, marks: State['marks']): State['softTaint'] {
  if (!marks.includes('prefer-no-schedule')) return undefined;
  return state.marks.includes('prefer-no-schedule') ? state.softTaint : settings.softTaintKey;
}

/** Absent and undefined are the same. */
function isSame(one: State, other: State): boolean {
  const keys = Object.keys({ ...one, ...other }) as (keyof State)[];
  return keys.every((key) => isDeepStrictEqual(one[key], other[key]));
}
