import { Violation } from '../witness.ts';
import type { Distortion } from './machine.ts';
import { addTally, type Tally } from './tally.ts';
import { RollWorld, type WorldKind } from './world.ts';

/** What came of a seed in whose world something went wrong: with its story, for a person. */
export interface Failure {
  readonly seed: number;
  readonly what: string;
  readonly story: readonly string[];
}

/** Lives through one world; undefined where all went well. */
export async function liveThrough(
  seed: number,
  tally: Tally,
  distortion?: Distortion,
  kind?: Partial<WorldKind>,
): Promise<Failure | undefined> {
  const world = new RollWorld(seed, distortion, kind);
  // Stacks of errors that agents expect are a tenth of a world's price.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await world.live();
  } catch (error) {
    const what = error instanceof Violation ? error.message : String(error);
    return { seed, what, story: world.trace };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    addTally(tally, world.tally);
  }
  return undefined;
}

/** A seed that goes wrong, as a person reads it. */
export function storyOf({ seed, what, story }: Failure): string {
  return [`seed ${seed}: ${what}`, ...story, `again: NODETENDER_SIM_SEED=${seed} scripts/simulate`].join('\n');
}

/** Until the first that goes wrong. */
export async function firstFailure(seeds: Iterable<number>, tally: Tally): Promise<Failure | undefined> {
  for (const seed of seeds) {
    const failure = await liveThrough(seed, tally);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

export function* seedsFrom(first: number, count: number): Generator<number> {
  for (let seed = first; seed < first + count; seed += 1) yield seed;
}
