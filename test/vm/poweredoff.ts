import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import type { Installation } from '../harness/vm/installation.ts';
import { SecondNode } from '../harness/vm/secondnode.ts';

/** The power goes while the machine goes down, with the slot, and stays away: those that wait say so, and none goes on. */
export function poweredOff(installed: () => Installation): void {
  describe('a machine that stays off with the slot', () => {
    let waiting: SecondNode;
    let bootId: string;
    /** How many states of the machine were seen before. */
    let seen: number;
    beforeAll(async () => {
      bootId = await installed().cluster.bootId();
      seen = installed().states().length;
      // The least that may be configured: two minutes from the order to a node that is well.
      const soon = { deadline: '1m', health: { soak: '1s', timeout: '1m' } };
      waiting = await SecondNode.join(installed().cluster, 'waiting', soon);
    });
    afterAll(async () => {
      await waiting?.dispose();
    });

    it('is told of by whoever waits for its slot, in an Event and in the metric of the alert', async () => {
      const { cluster, witness } = installed();
      await installed().touchSentinel();
      await installed().untilState('rebooting', seen);
      await cluster.machine.powerCut();
      await waiting.node.node.annotate({ 'nodetender.dev/reboot': 'now' });
      await eventually('the second node waits for the slot', () => witness.seen.includes('waiting waiting'), 300_000);
      await eventually(
        'an Event says who is in the way',
        async () => (await installed().reasons()).includes('RebootSlotHeld'),
        900_000,
      );
      const lines = await eventually('the metric is there', async () => {
        const found = await waiting.metrics('nodetender_lock_problem{');
        return found.length > 0 && found;
      });
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/node="machine".* 1$/);
      expect(lines[0]).toContain('slot="nodetender-default-0"');
      expect(lines[0]).toContain('problem="never-came-back"');
      expect(witness.holders()).toEqual(['machine']);
      expect(waiting.node.reboots).toBe(0);
    });

    it('has rebooted all the same once it is back, and gives the slot to the one that waits', async () => {
      const { cluster, witness } = installed();
      await cluster.machine.powerOn();
      await eventually('the second node has the slot', () => witness.seen.includes('waiting cordoned'), 900_000);
      // The slot is free a moment before the machine's own record says so.
      await installed().untilState('idle', seen);
      expect(installed().states(seen)).toEqual(expect.arrayContaining(['rebooting', 'verifying', 'releasing', 'idle']));
      expect(await cluster.bootId()).not.toBe(bootId);
      expect((await installed().node()).spec.unschedulable ?? false).toBe(false);
      expect(witness.broken).toEqual([]);
    });
  });
}
