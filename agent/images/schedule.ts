import { Cron } from 'croner';

/** When runs happen. */
export interface Schedule {
  readonly when: { readonly everyMs: number } | { readonly cron: string; readonly timeZone: string };
  /** Each node is late by its own share of this, always the same share, so that not all nodes clean at once. */
  readonly jitterMs: number;
  /** Run at once when this node has never run. A restart is no first start. */
  readonly runAtStart: boolean;
}

/** What outlives the process, so that a restart neither resets the timer nor rolls the dice again. */
export interface ScheduleState {
  readonly firstStartMs: number;
  /** Start of the last run that the schedule asked for; undefined before the first. */
  readonly lastRunMs: number | undefined;
  /** This node's share of the jitter, in [0, 1). */
  readonly jitterShare: number;
  /** When the agent came back and found that a run had been missed; undefined when none is to be made up. */
  readonly missedSinceMs: number | undefined;
}

export function firstState(nowMs: number, jitterShare: number): ScheduleState {
  return { firstStartMs: nowMs, lastRunMs: undefined, jitterShare, missedSinceMs: undefined };
}

/**
 * The state as it holds at the start of the process: a run that fell due while nobody was there is made up once, however
 * many there were, and late by the node's jitter, because after an outage all nodes come back together.
 */
export function stateAtStart(state: ScheduleState, schedule: Schedule, nowMs: number): ScheduleState {
  const sane = withoutFuture(state, nowMs);
  if (sane.missedSinceMs !== undefined) return sane;
  const dueMs = regularRunMs(schedule, sane);
  return dueMs !== undefined && dueMs < nowMs ? { ...sane, missedSinceMs: nowMs } : sane;
}

/** The state after a run of the schedule began. */
export function stateAfterRun(state: ScheduleState, startedMs: number): ScheduleState {
  return { ...state, lastRunMs: startedMs, missedSinceMs: undefined };
}

/** No time lies in the future, unless somebody set the clock back: then it counts as now, or the next run might be years away. */
export function withoutFuture(state: ScheduleState, nowMs: number): ScheduleState {
  const past = (timeMs: number | undefined): number | undefined =>
    timeMs === undefined ? undefined : Math.min(timeMs, nowMs);
  return {
    ...state,
    firstStartMs: Math.min(state.firstStartMs, nowMs),
    lastRunMs: past(state.lastRunMs),
    missedSinceMs: past(state.missedSinceMs),
  };
}

/** When the next run is due; in the past when it is overdue, undefined when the cron expression never comes round. */
export function nextRunMs(schedule: Schedule, state: ScheduleState): number | undefined {
  if (state.missedSinceMs !== undefined) return state.missedSinceMs + jitterOf(schedule, state);
  return regularRunMs(schedule, state);
}

function regularRunMs(schedule: Schedule, state: ScheduleState): number | undefined {
  const { when, runAtStart } = schedule;
  const { firstStartMs, lastRunMs } = state;
  if (runAtStart && lastRunMs === undefined) return firstStartMs;
  const jitterMs = jitterOf(schedule, state);
  if ('everyMs' in when) {
    // The first run carries the jitter; those after it keep the distance.
    return lastRunMs === undefined ? firstStartMs + when.everyMs + jitterMs : lastRunMs + when.everyMs;
  }
  // The last run was late by the jitter; without taking it off, a cron time within the jitter would be passed over.
  const afterMs = lastRunMs === undefined ? firstStartMs : lastRunMs - jitterMs;
  const cron = new Cron(when.cron, { paused: true, mode: '5-part', timezone: when.timeZone });
  const next = cron.nextRun(new Date(afterMs));
  return next === null ? undefined : next.getTime() + jitterMs;
}

/** Never more than the interval itself, or an hourly schedule with a jitter of a day would come a day late. */
function jitterOf({ when, jitterMs }: Schedule, { jitterShare }: ScheduleState): number {
  return jitterShare * ('everyMs' in when ? Math.min(jitterMs, when.everyMs) : jitterMs);
}
