/**
 * How hard the cleaner leans on the runtime. Images go in bursts that are sent together and awaited together, because each
 * RemoveImage waits for a garbage collection of the whole store and calls in flight share one: one at a time costs an order
 * of magnitude more of the runtime's CPU than sixty-four at a time, and is no gentler.
 */
export interface Pace {
  /** Images sent together at most. */
  readonly burst: number;
  /** The least pause after a burst. */
  readonly pauseMs: number;
  /** Rest for as long as the burst took, where that is longer than `pauseMs`: at most half of the time is ours. */
  readonly restAsLong: boolean;
  /** A call that takes longer than this halves the next burst. */
  readonly slowCallMs: number;
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
}

/** Fewer at a time would cost the runtime more, not less. */
const SMALLEST_BURST = 4;
/** Bursts in a row that must be quick before the next may double: one may be luck. */
const QUICK_BURSTS_TO_GROW = 2;

const GENTLE: Pace = { burst: 64, pauseMs: 500, restAsLong: true, slowCallMs: 2000 };
const FAST: Pace = { burst: 256, pauseMs: 0, restAsLong: false, slowCallMs: 2000 };

/** The pace that a setting names. Numbers rest for as long as the burst only where a pause was asked for. */
export function paceOf(setting: PaceSetting): Pace {
  if (setting === 'gentle') return GENTLE;
  if (setting === 'fast') return FAST;
  return { ...setting, restAsLong: false };
}

export function firstBurst(pace: Pace): Burst {
  return { pace, size: pace.burst, pauseMs: 0, quickInARow: 0 };
}

/** The burst that follows `last`, given how it went. */
export function nextBurst(last: Burst, seen: BurstObservation): Burst {
  const { pace } = last;
  const pauseMs = pace.restAsLong ? Math.max(pace.pauseMs, seen.durationMs) : pace.pauseMs;
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
