import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import type { Installation } from '../harness/vm/installation.ts';
import { SecondNode } from '../harness/vm/secondnode.ts';

/** A machine that holds the slot and stays off: those that wait for it say so, and none goes on. */
export function poweredOff(installed: () => Installation): void {
  describe('a machine that stays off with the slot', () => {
    let waiting: SecondNode;
    beforeAll(async () => {
      // The least that may be configured: two minutes from the order to a node that is well.
      const soon = { deadline: '1m', health: { soak: '1s', timeout: '1m' } };
      waiting = await SecondNode.join(installed().cluster, 'waiting', soon);
    });
    afterAll(async () => {
      await waiting?.dispose();
    });

    it('is told of by whoever waits for its slot, in an Event and in the metric of the alert', async () => {
      const { cluster, witness } = installed();
      const seen = installed().states().length;
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

    it('gives the slot to the one that waits once it is back', async () => {
      const { cluster, witness } = installed();
      const seen = installed().states().length;
      await cluster.machine.powerOn();
      await eventually('the second node has the slot', () => witness.seen.includes('waiting cordoned'), 900_000);
      // The slot is free a moment before the machine's own record says so.
      await installed().untilState('idle', seen);
      expect(witness.broken).toEqual([]);
    });
  });
}
