import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import { Sentinel } from '../../agent/host/sentinel.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodetender-sentinel-'));
});
afterAll(() => rm(directory, { recursive: true }));

it('a sentinel is seen in less than a second, and so is its end, each of thirty times', async () => {
  const path = join(directory, 'reboot-required');
  const sentinel = new Sentinel({ path, clock: systemClock });
  const stop = new AbortController();
  let changed = Promise.withResolvers<void>();
  const following = sentinel.follow(() => changed.resolve(), stop.signal);
  const delaysMs: number[] = [];
  await changed.promise;
  for (let round = 0; round < 30; round += 1) {
    for (const change of [() => writeFile(path, ''), () => rm(path)]) {
      changed = Promise.withResolvers<void>();
      const beganAtMs = performance.now();
      await change();
      await changed.promise;
      delaysMs.push(performance.now() - beganAtMs);
    }
    expect(sentinel.current()).toEqual({ wanted: false });
  }
  stop.abort();
  await following;
  expect(Math.max(...delaysMs)).toBeLessThan(1000);
});
