import type { Reason, State, Step } from '../state.ts';
import { release } from './givingback.ts';
import type { Moment } from './moment.ts';
import { SECOND_TRY_AFTER_MS, type Wish } from './need.ts';
import { step } from './step.ts';

const unseen: Reason = { code: 'unknown-facts', text: 'the sentinel cannot be seen' };

/** The reboot that was wanted no longer is, or cannot be seen, or would be in vain. */
export function withoutNeed(moment: Moment, wish: Exclude<Wish, { kind: 'wanted' }>): Step {
  if (wish.kind === 'unknown') return blind(moment);
  if (wish.kind === 'ineffective') return tolerate(moment, wish);
  return becomeIdle(moment, { code: 'need-gone', text: 'the reboot is no longer wanted' });
}

/** Others need the slot more. See `waiting` for why the record changes first. */
function blind(moment: Moment): Step {
  const { state, facts } = moment;
  const leaves = state.phase === 'waiting' && facts.lock?.kind === 'held';
  const change = leaves ? ({ phase: 'wanted', slot: undefined } as const) : undefined;
  return step(moment, { reason: unseen, change, effects: release(facts.lock) });
}

export function becomeIdle(moment: Moment, reason: Reason): Step {
  const { facts } = moment;
  const change: Partial<State> = {
    phase: 'idle',
    need: undefined,
    slot: undefined,
    bootId: undefined,
    retryAtMs: undefined,
    notReadyBefore: undefined,
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
  // Its time is the uptime's, and moves with the clock: it is written once.
  const isKnown = state.phase === 'backing-off' && state.reason.code === 'ineffective';
  return step(moment, { reason, untilMs, change: isKnown ? undefined : change, effects: release(facts.lock) });
}
