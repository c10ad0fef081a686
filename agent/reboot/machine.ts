import type { Random } from '../clock.ts';
import { cordoned } from './machine/cordoned.ts';
import { draining } from './machine/draining.ts';
import { eventOf } from './machine/events.ts';
import type { Moment } from './machine/moment.ts';
import { judgement } from './machine/need.ts';
import { rebooting } from './machine/rebooting.ts';
import { step } from './machine/step.ts';
import { backingOff, releasing } from './machine/undoing.ts';
import { rebooted, verifying } from './machine/verifying.ts';
import { idle, wanted, waiting } from './machine/waiting.ts';
import type { Settings } from './settings.ts';
import { initialState, type Observation, type Phase, type Reason, type State, type Step } from './state.ts';

const phaseSteps: Readonly<Record<Phase, (moment: Moment) => Step>> = {
  idle,
  wanted,
  waiting,
  cordoned,
  draining,
  rebooting,
  verifying,
  releasing,
  'backing-off': backingOff,
};

/**
 * What follows from the facts of one moment. Level-triggered: it depends on nothing but its arguments, may be called as often as
 * one likes, and asks again for what has not come to be. See state.ts for what the shell does with the result.
 */
export function next(state: State, facts: Observation, settings: Settings, random: Random): Step {
  const { node } = facts;
  if (node === undefined) return blind(state, facts);
  const moment: Moment = { state, facts, node, settings, random };
  if (node.uid !== state.nodeUid) return startAnew(moment);
  return withSurplus(moment, stepOf(moment));
}

/** Nothing has been taken yet, or all of it is given back first. */
const atRest: ReadonlySet<Phase> = new Set(['idle', 'wanted', 'backing-off']);
const undrained: ReadonlySet<Phase> = new Set(['idle', 'wanted', 'waiting']);

function stepOf(moment: Moment): Step {
  const { state, facts } = moment;
  const { phase } = state;
  if (phase !== 'idle' && state.bootId !== facts.bootId) return rebooted(moment);
  const judged = atRest.has(phase) ? judgement(moment) : undefined;
  if (judged !== undefined) return step(moment, { reason: state.reason, change: judged });
  if (undrained.has(phase) && facts.drain.kind !== 'none') return stopDrain(moment);
  return phaseSteps[phase](moment);
}

/** Without the Node nothing can be written, so nothing may be done. */
function blind(state: State, facts: Observation): Step {
  const reason: Reason = { code: 'unknown-facts', text: 'the Node cannot be read' };
  return { state, reason, effects: [{ kind: 'wait', untilMs: facts.nowMs + 60_000 }] };
}

/** Somebody has deleted the Node and it was registered again: what was taken in its name went with it. */
function startAnew({ facts, node }: Moment): Step {
  const reason: Reason = { code: 'node-replaced', text: 'the Node was registered anew' };
  const state: State = { ...initialState(node.uid, facts.nowMs), reason };
  return {
    state,
    reason,
    effects: [
      ...(facts.drain.kind === 'none' ? [] : [{ kind: 'stop-drain' } as const]),
      { kind: 'record', state },
      ...eventOf(reason),
      { kind: 'wait', untilMs: facts.nowMs },
    ],
  };
}

/** Before the cordon there is nothing to drain: what still runs is of an earlier try. */
function stopDrain(moment: Moment): Step {
  const reason: Reason = { code: 'unknown-facts', text: 'an earlier drain is being stopped' };
  return step(moment, { reason, first: [{ kind: 'stop-drain' }] });
}

/** Slots that an answer got lost of. They go back whenever nothing more important is done. */
function withSurplus({ state, facts }: Moment, decided: Step): Step {
  const surplus = facts.lock?.kind === 'held' ? facts.lock.surplus.filter((slot) => slot !== state.slot) : [];
  if (surplus.length === 0 || decided.effects.some(({ kind }) => kind === 'reboot')) return decided;
  const releases = surplus.map((slot) => ({ kind: 'release', slot }) as const);
  return { ...decided, effects: [...decided.effects.slice(0, -1), ...releases, ...decided.effects.slice(-1)] };
}
