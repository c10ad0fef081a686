import { describe, expect, it } from 'vitest';

import { Violation } from '../witness.ts';
import { type RollMutation, RollWorld } from './world.ts';

/** `NODETENDER_SIM_SEED=17` repeats one world with its trace; `NODETENDER_SIM_RUNS=100000` looks for rarer ones. */
const onlySeed = process.env['NODETENDER_SIM_SEED'];
const runs = Number(process.env['NODETENDER_SIM_RUNS'] ?? 20);
const first = Number(process.env['NODETENDER_SIM_FIRST'] ?? 1);
const seeds = onlySeed === undefined ? Array.from({ length: runs }, (_, index) => index + first) : [Number(onlySeed)];

async function firstViolation(mutation?: RollMutation, tally: Record<string, number> = {}): Promise<string> {
  for (const seed of seeds) {
    const world = new RollWorld(seed, mutation);
    try {
      await world.live();
    } catch (error) {
      if (mutation === undefined) console.log(world.trace.slice(-120).join('\n'));
      return `seed ${seed}: ${error instanceof Violation ? error.message : String((error as Error).stack)}`;
    }
    for (const [what, times] of Object.entries(world.happened)) tally[what] = (tally[what] ?? 0) + times;
  }
  return 'none';
}

describe(`reboots in ${seeds.length} simulated worlds`, () => {
  it('never take more nodes away than may be, keep what admins have cordoned, and come to an end', async () => {
    const tally: Record<string, number> = {};
    expect(await firstViolation(undefined, tally)).toBe('none');
    console.log(JSON.stringify(tally));
  }, 600_000);
});
