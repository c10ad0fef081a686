/**
 * How hard the cleaner leans on the runtime. Images go in bursts that are sent together and awaited together, because each
 * RemoveImage waits for a garbage collection of the whole store and calls in flight share one: one at a time costs an order
 * of magnitude more of the runtime's CPU than sixty-four at a time, and is no gentler.
 */
export interface Pace {
  /** Images sent together at most. */
  readonly burst: number;
  /** A call that takes longer than this halves the next burst. */
  readonly slowCallMs: number;
  /** The rest after a burst while pods come and go, and while there is nobody to feel it. */
  readonly whilePodsChange: Rest;
  readonly whilePodsStay: Rest;
}

/** A pause of so many times what the burst took, and of `leastMs` at the least. */
export interface Rest {
  readonly leastMs: number;
  readonly timesTheBurst: number;
}

export type PaceSetting =
  | 'gentle'
  | 'fast'
  | { readonly burst: number; readonly pauseMs: number; readonly slowCallMs: number };

/** The next burst: how many images, after what pause. */
export interface Burst {
  readonly pace: Pace;
  readonly size: number;
  readonly pauseMs: number;
  /** Quick bursts in a row since the size last changed. */
  readonly quickInARow: number;
}

/** What the last burst was like. */
export interface BurstObservation {
  readonly durationMs: number;
  readonly slowestCallMs: number;
  /** For how long no container or sandbox has come or gone, as far as looks have shown. */
  readonly podsUnchangedMs: number;
}

/** Fewer at a time would cost the runtime more, not less. */
const SMALLEST_BURST = 4;
/** Bursts in a row that must be quick before the next may double: one may be luck. */
const QUICK_BURSTS_TO_GROW = 2;

/** Pods seldom come alone: a rollout, a job, a drain goes on for a while after the last change that a look has shown. */
const CHANGING_FOR_MS = 2000;

/**
 * A pod that starts in mid-burst waits for the rest of it: larger bursts would make the longest wait longer, smaller ones
 * share fewer collections and take more time in all. While pods come and go three quarters of the time are theirs, so that
 * most starts meet no burst at all.
 */
const GENTLE: Pace = {
  burst: 64,
  slowCallMs: 2000,
  whilePodsChange: { leastMs: 1000, timesTheBurst: 3 },
  whilePodsStay: { leastMs: 200, timesTheBurst: 0.5 },
};
const noRest: Rest = { leastMs: 0, timesTheBurst: 0 };
const FAST: Pace = { burst: 256, slowCallMs: 2000, whilePodsChange: noRest, whilePodsStay: noRest };

/** The pace that a setting names. Numbers are taken as they are. */
export function paceOf(setting: PaceSetting): Pace {
  if (setting === 'gentle') return GENTLE;
  if (setting === 'fast') return FAST;
  const { burst, pauseMs, slowCallMs } = setting;
  const rest: Rest = { leastMs: pauseMs, timesTheBurst: 0 };
  return { burst, slowCallMs, whilePodsChange: rest, whilePodsStay: rest };
}

export function firstBurst(pace: Pace): Burst {
  return { pace, size: pace.burst, pauseMs: 0, quickInARow: 0 };
}

/** The burst that follows `last`, given how it went. */
export function nextBurst(last: Burst, seen: BurstObservation): Burst {
  const { pace } = last;
  const rest = seen.podsUnchangedMs < CHANGING_FOR_MS ? pace.whilePodsChange : pace.whilePodsStay;
  const pauseMs = Math.max(rest.leastMs, rest.timesTheBurst * seen.durationMs);
  if (seen.slowestCallMs > pace.slowCallMs) {
    const smallest = Math.min(SMALLEST_BURST, pace.burst);
    return { pace, size: Math.max(smallest, Math.floor(last.size / 2)), pauseMs, quickInARow: 0 };
  }
  // Between half and the whole of slowCallMs the size is right: growing there would only swing back.
  const quickInARow = seen.slowestCallMs <= pace.slowCallMs / 2 ? last.quickInARow + 1 : 0;
  if (last.size < pace.burst && quickInARow >= QUICK_BURSTS_TO_GROW) {
    return { pace, size: Math.min(pace.burst, last.size * 2), pauseMs, quickInARow: 0 };
  }
  return { pace, size: last.size, pauseMs, quickInARow };
}
