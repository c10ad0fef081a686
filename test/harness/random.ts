import type { Random } from '../../agent/clock.ts';

/** The same seed gives the same numbers: what a random test did can be done again. */
export function seededRandom(seed: number): Random {
  let state = seed;
  return () => {
    // mulberry32, in the public domain
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
