import { isDeepStrictEqual } from 'node:util';
import type { Need, Reason, ReasonCode, State, Step } from '../state.ts';
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
  const change = needChange(moment, obstacle === undefined ? need : shownNeed(moment, need, obstacle.reason.code));
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
export function needChange(moment: Moment, need: Need): Partial<State> {
  return { need, bootId: moment.facts.bootId, marks: marksOf(moment, need) };
}

/** Without it a file that is touched all the time would be a write of the Node each time. */
const SHOWN_EVERY_MS = 60_000;

/** What the record of a node that may not reboot yet says of its need: a list and a time that still change are left as they were. */
export function shownNeed({ state, facts }: Moment, need: Need, why: ReasonCode): Need {
  const { sentinel } = facts;
  if (state.need === undefined || sentinel?.wanted !== true) return need;
  const shown = { ...need, packages: state.need.packages, writtenAtMs: state.need.writtenAtMs };
  // While packages are being installed both change by the second.
  if (why === 'settling') return shown;
  const isQuiet = sentinel.settledForMs >= SHOWN_EVERY_MS;
  const isFarBehind = Math.abs((need.writtenAtMs ?? 0) - (shown.writtenAtMs ?? 0)) >= SHOWN_EVERY_MS;
  return isQuiet || isFarBehind || !isDeepStrictEqual(shown, state.need) ? need : shown;
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
