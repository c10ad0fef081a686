import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

import { invariants } from '../test/sim/roll/referee.ts';
import { type Failure, liveThrough, storyOf } from '../test/sim/roll/run.ts';
import { addTally, type Counts, emptyTally, type Tally } from '../test/sim/roll/tally.ts';

/** A worker gets so many seeds at a time, and tells what came of them. */
const seedsAtATime = 50;
const failuresTold = 5;

interface Share {
  readonly first: number;
  readonly count: number;
}

interface Result {
  readonly tally: Tally;
  readonly failures: readonly Failure[];
}

async function live({ first, count }: Share): Promise<Result> {
  const tally = emptyTally();
  const failures: Failure[] = [];
  for (let seed = first; seed < first + count; seed += 1) {
    const failure = await liveThrough(seed, tally);
    if (failure !== undefined) failures.push(failure);
  }
  return { tally, failures };
}

/** All of them, on all cores. */
async function liveAll({ first, count }: Share): Promise<Result> {
  const tally = emptyTally();
  const failures: Failure[] = [];
  let next = first;
  let done = 0;
  const endsAt = first + count;
  const share = (): Share | undefined => {
    if (next >= endsAt) return undefined;
    const taken = { first: next, count: Math.min(seedsAtATime, endsAt - next) };
    next += taken.count;
    return taken;
  };
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL(import.meta.url));
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    worker.on('error', reject);
    const ask = (): void => {
      const taken = share();
      if (taken === undefined) resolve();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- of windows, and this is none
      else worker.postMessage(taken);
    };
    worker.on('message', (result: Result) => {
      addTally(tally, result.tally);
      for (const failure of result.failures) {
        if (failures.length < failuresTold) console.log(`${storyOf(failure)}\n`);
        failures.push(failure);
      }
      const before = Math.floor(done / 1_000);
      done = Math.min(count, done + seedsAtATime);
      if (Math.floor(done / 1_000) > before) console.log(`${done} worlds, ${failures.length} broken`);
      ask();
    });
    ask();
    await ended;
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), Math.ceil(count / seedsAtATime)) }, work));
  return { tally, failures };
}

function table(title: string, counts: Counts): string {
  const rows = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return [title, ...rows.map(([what, times]) => `${String(times).padStart(12)}  ${what}`)].join('\n');
}

/** Crashes by where they happened are many rows: told by the side, and in how many places. */
function byKind(faults: Counts): Counts {
  const kinds: Counts = {};
  const places = new Set<string>();
  for (const [what, times] of Object.entries(faults)) {
    const side = /^crash (before|after) /.exec(what)?.[1];
    if (side !== undefined) places.add(what);
    const kind = side === undefined ? what : `agent dies ${side} an effect`;
    kinds[kind] = (kinds[kind] ?? 0) + times;
  }
  return { ...kinds, 'places where an agent died': places.size };
}

async function main(): Promise<void> {
  const {
    NODETENDER_SIM_SEED: seed,
    NODETENDER_SIM_RUNS: runs = '2000',
    NODETENDER_SIM_FIRST: first = '1',
  } = process.env;
  if (seed !== undefined) {
    const tally = emptyTally();
    const failure = await liveThrough(Number(seed), tally);
    console.log(failure === undefined ? `seed ${seed}: nothing broken` : storyOf(failure));
    process.exitCode = failure === undefined ? 0 : 1;
    return;
  }
  const count = Number(process.argv[2] ?? runs);
  const startedMs = performance.now();
  const { tally, failures } = await liveAll({ first: Number(first), count });
  const seconds = (performance.now() - startedMs) / 1000;
  const checked = Object.fromEntries(
    Object.entries(invariants).map(([name, text]) => [`${name}: ${text}`, tally.checks[name] ?? 0]),
  );
  console.log(table('What was done to the rolls, by kind:', byKind(tally.faults)));
  console.log(table('What the agents have told:', tally.events));
  console.log(table('How often each invariant was checked:', checked));
  console.log(table('In all:', tally.amounts));
  console.log(
    `${count} worlds from seed ${first} in ${seconds.toFixed(0)} s, ${failures.length} broken${failures.length === 0 ? '' : `: ${failures.map((failure) => failure.seed).join(', ')}`}`,
  );
  process.exitCode = failures.length === 0 ? 0 : 1;
}

const answer = async (share: Share): Promise<void> => {
  const result = await live(share);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- of windows, and this is none
  parentPort?.postMessage(result);
};

if (isMainThread) await main();
else parentPort?.on('message', (share: Share) => void answer(share));
