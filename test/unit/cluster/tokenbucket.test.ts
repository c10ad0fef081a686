import { expect, it } from 'vitest';

import { TokenBucket } from '../../../agent/cluster/tokenbucket.ts';
import { VirtualClock } from '../../emulators/clock.ts';

async function leave(bucket: TokenBucket, clock: VirtualClock, count: number): Promise<number[]> {
  const { signal } = new AbortController();
  const times: number[] = [];
  const all = Array.from({ length: count }, async () => {
    await bucket.take(signal);
    times.push(clock.monotonicMs());
  });
  await clock.run(Promise.all(all));
  return times;
}

it('lets a burst leave at once and the rest at its rate, in order', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, clock);
  expect(await leave(bucket, clock, 6)).toEqual([0, 0, 0, 100, 200, 300]);
});

it('has its whole burst again after a quiet time, and no more', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, clock);
  await leave(bucket, clock, 3);
  await clock.advance(60_000);
  expect(await leave(bucket, clock, 4)).toEqual([60_000, 60_000, 60_000, 60_100]);
});

it('gives the place of one that has given up to the next', async () => {
  const clock = new VirtualClock();
  const bucket = new TokenBucket({ perSecond: 1, burst: 1 }, clock);
  await leave(bucket, clock, 1);
  const stop = new AbortController();
  const waiting = bucket.take(stop.signal);
  stop.abort();
  await waiting;
  expect(await leave(bucket, clock, 1)).toEqual([1_000]);
});
