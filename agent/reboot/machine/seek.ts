import type { Need, Reason, State, Step } from '../state.ts';
import { release } from './givingback.ts';
import type { Moment } from './moment.ts';
import { type Obstacle, obstacleTo, waitsForItsTime } from './obstacles.ts';
import { step } from './step.ts';

/** To `waiting`, or to `wanted` with what stands in the way. */
export function seek(
  moment: Moment,
  need: Need,
  obstacle: Obstacle | undefined = obstacleTo(moment, need, moment.settings.gatesEveryMs),
): Step {
  const { facts } = moment;
  const isUnsure = obstacle?.reason.code === 'asking' || obstacle?.reason.code === 'unknown-facts';
  const change = needChange(moment, need, obstacle?.reason.code === 'settling');
  if (obstacle === undefined) {
    const reason: Reason = { code: 'waiting-for-slot', text: 'nothing stands in the way of a slot' };
    return step(moment, { reason, change: { ...change, phase: 'waiting', retryAtMs: undefined } });
  }
  // A question on the way does not cost the place in the queue, nor the slot.
  const staysInQueue = isUnsure && moment.state.phase === 'waiting';
  return step(moment, {
    reason: obstacle.reason,
    change: staysInQueue ? change : { ...change, phase: 'wanted', slot: undefined, retryAtMs: undefined },
    effects: [
      ...(obstacle.ask === undefined ? [] : [{ kind: 'ask', question: obstacle.ask } as const]),
      ...(isUnsure ? [] : release(facts.lock)),
    ],
    untilMs: obstacle.untilMs,
  });
}

/** What a node that wants a reboot has in its record. */
export function needChange(moment: Moment, need: Need, isSettling = false): Partial<State> {
  const { state, facts } = moment;
  return {
    // While packages are being installed their list and its time change by the second.
    need: isSettling && state.need !== undefined ? { ...need, ...settled(state.need) } : need,
    bootId: facts.bootId,
    marks: marksOf(moment, need),
  };
}

/** New pods are kept away from a node that may go at any moment. One whose time is days away is as good for them as any other. */
function marksOf(moment: Moment, need: Need): State['marks'] {
  const { state, settings, node } = moment;
  const isFar = waitsForItsTime(moment, need);
  // The configuration has another taint by now, or none.
  const isOutdated = state.softTaint !== undefined && state.softTaint !== settings.softTaintKey;
  if (isFar === true || isOutdated) return state.marks.filter((mark) => mark !== 'prefer-no-schedule');
  const isMarked = state.marks.length > 0 || node.marks.includes('prefer-no-schedule');
  const isWanted = isFar === false && settings.marks.includes('prefer-no-schedule');
  return isWanted && !isMarked ? ['prefer-no-schedule'] : state.marks;
}

function settled({ packages, writtenAtMs }: Need): Pick<Need, 'packages' | 'writtenAtMs'> {
  return { packages, writtenAtMs };
}
