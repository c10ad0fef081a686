import { describe, expect, it } from 'vitest';

import { mistakes } from './mistakes.ts';
import { invariants } from './referee.ts';
import { firstFailure, liveThrough, seedsFrom, storyOf } from './run.ts';
import { emptyTally } from './tally.ts';

/** A sample: scripts/simulate lives through thousands. `NODETENDER_SIM_SEED=17` repeats one world. */
const onlySeed = process.env['NODETENDER_SIM_SEED'];
const runs = Number(process.env['NODETENDER_SIM_RUNS'] ?? 40);
const first = Number(process.env['NODETENDER_SIM_FIRST'] ?? 1);
/** A planted mistake is found by one of so many worlds. The rarest shows in one of 25, and with any change of the agent in other ones. */
const seedsForMistakes = 150;

describe('reboots in simulated worlds', () => {
  it('never take more nodes away than may be, keep what admins have cordoned, and come to an end', async () => {
    const tally = emptyTally();
    const seeds = onlySeed === undefined ? seedsFrom(first, runs) : [Number(onlySeed)];
    const failure = await firstFailure(seeds, tally);
    expect(failure && storyOf(failure)).toBeUndefined();
    if (onlySeed !== undefined) return;
    // A world in which little happens proves little.
    expect(Object.keys(tally.checks).toSorted()).toEqual(Object.keys(invariants).toSorted());
  }, 600_000);

  it('are the same for the same seed', async () => {
    const [one, other] = [emptyTally(), emptyTally()];
    await liveThrough(7, one);
    await liveThrough(7, other);
    expect(other).toEqual(one);
  });

  describe.runIf(onlySeed === undefined)('find an agent that', () => {
    it.each(mistakes)('$name', async ({ breaks, distortion, kind }) => {
      const found = new Set<string>();
      for (const seed of seedsFrom(1, seedsForMistakes)) {
        const failure = await liveThrough(seed, emptyTally(), distortion, kind);
        if (failure !== undefined) found.add(failure.what.split(':')[0] ?? '');
        if (found.has(breaks)) break;
      }
      expect([...found]).toContain(breaks);
    });

    it('breaks any of the invariants', () => {
      expect(new Set(mistakes.map(({ breaks }) => breaks))).toEqual(new Set(Object.keys(invariants)));
    });
  });
});
