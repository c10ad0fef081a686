import { afterAll, beforeAll, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { Installation } from '../harness/vm/installation.ts';
import { SecondNode } from '../harness/vm/secondnode.ts';

/** A machine that holds the slot and stays off: those that wait for it say so, and none goes on. */

let installation: Installation;
let waiting: SecondNode;
beforeAll(async () => {
  installation = await Installation.create();
  // The least that may be configured: two minutes from the order to a node that is well.
  const soon = { deadline: '1m', health: { soak: '1s', timeout: '1m' } };
  waiting = await SecondNode.join(installation.cluster, 'waiting', soon);
});
afterAll(async () => {
  await waiting?.dispose();
  await installation?.dispose();
});

it('is told of by whoever waits for its slot, in an Event and in the metric of the alert', async () => {
  await installation.touchSentinel();
  await installation.untilState('rebooting');
  await installation.cluster.machine.powerCut();
  await waiting.node.node.annotate({ 'nodetender.dev/reboot': 'now' });
  await eventually(
    'the second node waits for the slot',
    () => installation.witness.seen.includes('waiting waiting'),
    60_000,
  );
  await eventually(
    'an Event says who is in the way',
    async () => (await installation.reasons()).includes('RebootSlotHeld'),
    300_000,
  );
  const lines = await eventually('the metric is there', async () => {
    const found = await waiting.metrics('nodetender_lock_problem{');
    return found.length > 0 && found;
  });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/node="machine".* 1$/);
  expect(lines[0]).toContain('slot="nodetender-default-0"');
  expect(lines[0]).toContain('problem="never-came-back"');
  expect(installation.witness.holders()).toEqual(['machine']);
  expect(waiting.node.reboots).toBe(0);
});

it('gives the slot to the one that waits once it is back', async () => {
  await installation.cluster.machine.powerOn();
  await eventually(
    'the second node has the slot',
    () => installation.witness.seen.includes('waiting cordoned'),
    300_000,
  );
  expect(installation.states().at(-1)).toBe('idle');
  expect(installation.witness.broken).toEqual([]);
});
