import type { Effect, Reason, State, Step } from '../state.ts';
import { hasOurCordon, type Moment } from './moment.ts';
import { slotsUnread } from './obstacles.ts';
import { retryAtMs } from './retry.ts';
import { type Decision, step } from './step.ts';

/** The next step of taking back what was done to the node: the drain, then the cordon and the marks, then the slot. */
export type GivingBack =
  | (Pick<Decision, 'first' | 'write' | 'change' | 'effects' | 'obstacle'> & { readonly isDone: false })
  /** Nothing of ours is left; all of it is known. */
  | { readonly isDone: true };

export function givingBack(moment: Moment): GivingBack {
  const { state, facts } = moment;
  // Pods must not be evicted from a node that is handed back: what follows waits until the drain has stopped.
  if (facts.drain.kind !== 'none') return { isDone: false, first: [{ kind: 'stop-drain' }] };
  if (state.cordonedByUs || state.marks.length > 0) {
    const write = hasOurCordon(moment) ? 'uncordon' : 'record';
    return { isDone: false, write, change: { cordonedByUs: false, marks: [] }, effects: release(facts.lock) };
  }
  if (facts.lock?.kind === 'none') return { isDone: true };
  return { isDone: false, effects: release(facts.lock), obstacle: slotsUnread(moment)?.reason };
}

export function release(lock: Moment['facts']['lock']): Effect[] {
  return lock?.kind === 'held' ? [{ kind: 'release', slot: lock.slot }] : [];
}

/** Ends the try without a failure: what was taken is given back, and the need looked at anew. */
export function backOut(moment: Moment, reason: Reason): Step {
  return leave(moment, reason, { phase: 'releasing' });
}

/** Ends the try as failed: what was taken is given back, and the next try waits longer than the last. */
export function fail(moment: Moment, reason: Reason): Step {
  const failures = moment.state.failures + 1;
  return leave(moment, reason, { phase: 'backing-off', failures, retryAtMs: retryAtMs(moment, failures) });
}

function leave(moment: Moment, reason: Reason, into: Partial<State>): Step {
  const given = givingBack(moment);
  // A reboot that comes all the same, of a host that crashes hours later, is judged without it.
  const change = { ...into, notReadyBefore: undefined };
  return step(moment, given.isDone ? { reason, change } : { ...given, reason, change: { ...change, ...given.change } });
}
