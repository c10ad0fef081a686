import { expect, it } from 'vitest';
import { decodeStatus, type NodeStatus } from '../../../agent/cluster/records.ts';
import { StatusKeeper } from '../../../agent/duties/status.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const idle: NodeStatus = {
  version: '1.0.0',
  state: 'idle',
  images: 10,
  imageBytes: 1000,
  diskUsedPercent: 50,
  nextRunAt: null,
  waiting: null,
};

it('is written when the state changes and every hour, and not for each count', async () => {
  const clock = new VirtualClock();
  const written: string[] = [];
  let status = idle;
  const keeper = new StatusKeeper({ current: () => status, write: (value) => written.push(value), clock });
  keeper.look();
  status = { ...idle, images: 9 };
  await clock.advance(60_000);
  keeper.look();
  expect(written).toHaveLength(1);
  status = { ...idle, state: 'cleaning' };
  keeper.look();
  await clock.advance(2_000);
  keeper.look();
  expect(written).toHaveLength(2);
  await clock.advance(3_600_000);
  keeper.look();
  expect(written).toHaveLength(3);
});

it('counts as written where it goes beside something else', () => {
  const clock = new VirtualClock();
  const written: string[] = [];
  let status = idle;
  const keeper = new StatusKeeper({ current: () => status, write: (value) => written.push(value), clock });
  status = { ...idle, images: 3 };
  expect(decodeStatus(keeper.now())).toMatchObject({ ok: true, value: { images: 3 } });
  keeper.look();
  expect(written).toEqual([]);
});

it('says nothing of a state that comes and goes', async () => {
  const clock = new VirtualClock();
  const written: string[] = [];
  let status = idle;
  const keeper = new StatusKeeper({ current: () => status, write: (value) => written.push(value), clock });
  keeper.look();
  for (let times = 0; times < 10; times += 1) {
    await clock.advance(60_000);
    status = { ...idle, state: 'cleaning' };
    keeper.look();
    await clock.advance(500);
    status = idle;
    keeper.look();
  }
  expect(written).toHaveLength(1);
});
