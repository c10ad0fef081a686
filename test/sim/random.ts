import type { Random } from '../../agent/clock.ts';

/** Chance that a seed decides: the same seed gives the same simulation. */
export class Chance {
  readonly next: Random;

  constructor(seed: number) {
    let state = (seed * 2_654_435_761) >>> 0;
    // mulberry32: small, and good enough to choose among events.
    this.next = () => {
      state = (state + 0x6d_2b_79_f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  /** True with this probability. */
  hits(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.next() * items.length)];
  }
}
