import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { Installation } from '../harness/vm/installation.ts';

/** The power goes at three moments of a reboot, and comes back: the roll ends as it would have. */

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.create({ reboot: { health: { soak: '20s' } } });
});
afterAll(async () => {
  await installation?.dispose();
});

let bootId: string;
let seen: number;
beforeEach(async () => {
  bootId = await installation.cluster.bootId();
  seen = installation.states().length;
});

async function cutPowerWhile(state: string): Promise<void> {
  await installation.untilState(state, seen);
  await installation.cluster.machine.powerCut();
  expect(installation.witness.holders()).toEqual(['machine']);
  await installation.cluster.machine.powerOn();
}

async function endsWell(): Promise<void> {
  await installation.cluster.untilReady(bootId);
  await installation.untilState('idle', seen);
  await installation.untilPodsReady();
  expect(installation.witness.holders()).toEqual([]);
  expect((await installation.node()).spec.unschedulable ?? false).toBe(false);
  expect(installation.witness.broken).toEqual([]);
}

it('while the node is drained: it takes pods again', async () => {
  await installation.touchSentinel();
  await cutPowerWhile('draining');
  await endsWell();
  expect(installation.states(seen)).toContain('draining');
});

it('while the machine goes down: it has rebooted all the same', async () => {
  await installation.touchSentinel();
  await cutPowerWhile('rebooting');
  await endsWell();
  expect(installation.states(seen)).toEqual(expect.arrayContaining(['rebooting', 'verifying', 'releasing', 'idle']));
});

it('while it is looked after once it is back: it is looked after again', async () => {
  await installation.touchSentinel();
  await installation.untilState('verifying', seen);
  const between = await installation.cluster.bootId();
  expect(between).not.toBe(bootId);
  bootId = between;
  await cutPowerWhile('verifying');
  await endsWell();
  expect(installation.states(seen).at(-1)).toBe('idle');
});
