import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { VirtualClock } from '../../emulators/clock.ts';
import { Follower } from './follower.ts';
import { ModelServer } from './modelserver.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

describe('objects of which one changes every few minutes', () => {
  let followed: Follower;

  beforeEach(async () => {
    const clock = new VirtualClock();
    followed = new Follower(clock, new ModelServer(clock), 0.5, 10 * MINUTE);
    followed.server.put('a');
    await followed.start();
  });
  afterEach(async () => {
    await followed.stop();
  });

  it('are listed anew after a watch that hung before its first bookmark', async () => {
    const { server, clock } = followed;
    server.stuck = true;
    server.remove('a');
    server.put('a');
    await clock.advance(9 * MINUTE);
    expect(followed.told()).toEqual(['added a']);
    server.stuck = false;
    await clock.advance(MINUTE + 1_000);
    expect(followed.told()).toEqual(['added a', 'deleted a', 'added a']);
    // There may have been nothing to tell: nobody is said to be ill.
    expect(followed.health).toEqual([]);
  });

  it('are not listed anew while they are heard of', async () => {
    const { server, clock } = followed;
    for (let count = 0; count < 6; count += 1) {
      await clock.advance(8 * MINUTE);
      server.put('a');
    }
    expect(server.lists).toHaveLength(1);
  });

  it('are listed ever more seldom while nothing has changed, and soon again once things change as they did', async () => {
    const { server, clock } = followed;
    await clock.advance(5 * HOUR);
    expect(server.lists.map((atMs) => atMs / MINUTE)).toEqual([0, 10, 30, 70]);
    server.put('a');
    await clock.advance(5 * MINUTE);
    server.put('a');
    await clock.advance(10 * MINUTE + 1_000);
    expect(server.lists).toHaveLength(5);
  });
});

it('objects whose watches keep back what happens are listed anew as often as at first', async () => {
  const clock = new VirtualClock();
  const followed = new Follower(clock, new ModelServer(clock), 0.5, 10 * MINUTE);
  const { server } = followed;
  await followed.start();
  server.stuck = true;
  const lateMs: number[] = [];
  for (const name of ['a', 'b', 'c']) {
    await clock.advance(25 * MINUTE);
    server.put(name);
    const sinceMs = clock.monotonicMs();
    for (let minutes = 0; minutes < 60 && followed.watched.get(name) === undefined; minutes += 1) {
      await clock.advance(MINUTE);
    }
    lateMs.push(clock.monotonicMs() - sinceMs);
  }
  await followed.stop();
  // Once it had listened for 20 minutes in vain.
  expect(Math.max(...lateMs)).toBeLessThanOrEqual(20 * MINUTE);
});
