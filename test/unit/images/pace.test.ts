import { describe, expect, it } from 'vitest';

import { type Burst, type BurstObservation, firstBurst, nextBurst, paceOf } from '../../../agent/images/pace.ts';

/** The sizes of the bursts that follow, given how long the slowest call of each took. */
function sizes(start: Burst, slowestCallsMs: readonly number[]): number[] {
  let burst = start;
  return slowestCallsMs.map((slowestCallMs) => {
    burst = nextBurst(burst, took(slowestCallMs));
    return burst.size;
  });
}

describe('the gentle pace', () => {
  const first = firstBurst(paceOf('gentle'));

  it('begins with 64 at once, without a pause before', () => {
    expect(first).toMatchObject({ size: 64, pauseMs: 0 });
  });

  it('leaves three quarters of the time to pods that come and go, and rests a second at least', () => {
    expect(nextBurst(first, took(600)).pauseMs).toBe(1800);
    expect(nextBurst(first, took(40)).pauseMs).toBe(1000);
    expect(nextBurst(first, { ...took(40), podsUnchangedMs: 1999 }).pauseMs).toBe(1000);
  });

  it('rests half as long as the burst took, 200 ms at least, once no pod has come or gone for 2 seconds', () => {
    expect(nextBurst(first, { ...took(1800), podsUnchangedMs: 2000 }).pauseMs).toBe(900);
    expect(nextBurst(first, { ...took(40), podsUnchangedMs: 2000 }).pauseMs).toBe(200);
  });

  it('halves the burst each time a call takes over 2 seconds, but never below 4', () => {
    expect(sizes(first, [2000, 2001, 9000, 9000, 9000, 9000, 9000])).toEqual([64, 32, 16, 8, 4, 4, 4]);
  });

  it('doubles after two quick bursts in a row, up to where it began', () => {
    const slowed = nextBurst(nextBurst(first, slow), slow);
    expect(slowed.size).toBe(16);
    expect(sizes(slowed, [100, 100, 100, 100, 100, 100])).toEqual([16, 32, 32, 64, 64, 64]);
  });

  it('neither grows nor shrinks while calls take between 1 and 2 seconds', () => {
    expect(sizes(nextBurst(first, slow), [100, 1500, 100, 1500, 2000])).toEqual([32, 32, 32, 32, 32]);
  });
});

describe('the other paces', () => {
  it('fast has more in flight and does not rest', () => {
    const next = nextBurst(firstBurst(paceOf('fast')), took(1300));
    expect(next).toMatchObject({ size: 256, pauseMs: 0 });
  });

  it('numbers are taken as they are', () => {
    const pace = paceOf({ burst: 10, pauseMs: 50, slowCallMs: 300 });
    const next = nextBurst(firstBurst(pace), took(290));
    expect(next).toMatchObject({ size: 10, pauseMs: 50 });
    expect(nextBurst(next, took(301)).size).toBe(5);
  });

  it('a burst of one stays one, however slow', () => {
    const pace = paceOf({ burst: 1, pauseMs: 0, slowCallMs: 100 });
    expect(sizes(firstBurst(pace), [5000, 5000, 10, 10, 10])).toEqual([1, 1, 1, 1, 1]);
  });
});

/** A burst beside which pods started. */
function took(durationMs: number): BurstObservation {
  return { durationMs, slowestCallMs: durationMs, podsUnchangedMs: 0 };
}

const slow = took(5000);
