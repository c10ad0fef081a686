import { describe, expect, it } from 'vitest';

import type { ImageRecord, Inventory } from '../../agent/images/inventory.ts';
import { Violation } from './witness.ts';
import { type Blindness, World } from './world.ts';

/** `NODETENDER_SIM_SEED=17` repeats one world; `NODETENDER_SIM_RUNS=100000` looks for rarer ones. */
const onlySeed = process.env['NODETENDER_SIM_SEED'];
const runs = Number(process.env['NODETENDER_SIM_RUNS'] ?? 400);
const seeds = onlySeed === undefined ? Array.from({ length: runs }, (_, index) => index + 1) : [Number(onlySeed)];

interface Tally {
  removed: number;
  skipped: number;
  failed: number;
  killed: number;
  outcomes: Record<string, number>;
}

/** One world: two cleanings in the middle of everything, then one in peace that must finish the work. */
async function live(seed: number, tally?: Tally, blindness?: Blindness): Promise<void> {
  const world = await World.create(seed, blindness);
  for (let count = 0; count < 2; count += 1) {
    await world.populate();
    const report = await world.cleanInTheMiddleOfIt(world.randomPolicy());
    if (report !== undefined) world.witness.checkReport(report);
    if (tally === undefined) continue;
    tally.removed += report?.removed.length ?? 0;
    tally.skipped += report?.skipped.length ?? 0;
    tally.failed += report?.failed.length ?? 0;
    if (report === undefined) tally.killed += 1;
    else tally.outcomes[report.outcome] = (tally.outcomes[report.outcome] ?? 0) + 1;
  }
  await world.rest();
  const policy = { ...world.randomPolicy(), budget: { images: undefined, bytes: undefined } };
  world.witness.runStarts(policy);
  const last = await world.node.clean(policy);
  world.witness.checkRemovals();
  world.witness.checkReport(last);
  if (last.outcome !== 'done' || last.failed.length > 0) throw new Violation(`the last run ended ${last.outcome}`);
  const left = world.unprotected();
  if (left.length > 0) throw new Violation(`${left.length} images that nobody needs are left`);
}

async function firstViolation(seeds: readonly number[], blindness?: Blindness, tally?: Tally): Promise<string> {
  for (const seed of seeds) {
    try {
      await live(seed, tally, blindness);
    } catch (error) {
      return `seed ${seed}: ${error instanceof Violation ? error.message : String((error as Error).stack)}`;
    }
  }
  return 'none';
}

describe(`cleaning in ${seeds.length} simulated worlds`, () => {
  it('removes nothing that must stay, accounts for every image, and the next run finishes the work', async () => {
    const tally: Tally = { removed: 0, skipped: 0, failed: 0, killed: 0, outcomes: {} };
    expect(await firstViolation(seeds, undefined, tally)).toBe('none');
    if (onlySeed !== undefined) return;
    // Worlds in which nothing happens prove nothing.
    expect(Math.min(tally.removed, tally.skipped, tally.failed)).toBeGreaterThan(runs / 4);
    expect(tally.killed).toBeGreaterThan(runs / 40);
    expect(Object.keys(tally.outcomes).sort()).toEqual(['done', 'failed', 'stopped']);
  });
});

describe('mistakes put in on purpose are found', () => {
  const forEach = (change: (image: ImageRecord) => Partial<ImageRecord>): Blindness => {
    return (now) => ({ ...now, images: now.images.map((image) => ({ ...image, ...change(image) })) });
  };
  const mistakes: readonly (readonly [string, Blindness])[] = [
    ['not looking again before each burst', (now, before) => before ?? now],
    ['overlooking containers', forEach(({ users }) => ({ users: users.filter(({ kind }) => kind !== 'container') }))],
    ['overlooking volumes', forEach(({ users }) => ({ users: users.filter(({ kind }) => kind !== 'volume') }))],
    ['overlooking pods', forEach(({ users }) => ({ users: users.filter(({ kind }) => kind !== 'pod') }))],
    ['overlooking pins', forEach(() => ({ pinned: false }))],
    ['forgetting uses', forEach(() => ({ lastUsedMs: undefined }))],
    ['taking every image for old', forEach(() => ({ firstSeenMs: 0, lastUsedMs: undefined }))],
    ['passing over what cannot be explained', (now): Inventory => ({ ...now, unresolved: [] })],
    ['forgetting names', forEach(() => ({ tags: [], namelessSinceMs: 0 }))],
  ];

  it.each(mistakes)('%s', async (_name, blindness) => {
    expect(await firstViolation(seeds.slice(0, 200), blindness)).toMatch(/^seed \d+: [^\n]+$/);
  });
});
