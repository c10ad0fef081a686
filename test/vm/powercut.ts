import { beforeAll, describe, expect, it } from 'vitest';

import type { Installation } from '../harness/vm/installation.ts';

/**
 * The power goes at two moments of one reboot, and comes back: the roll ends as it would have. The third, while the machine goes
 * down, is that of a machine that then stays off.
 */
export function powerCut(installed: () => Installation): void {
  describe('a machine whose power is cut', () => {
    let bootId: string;
    let seen: number;
    beforeAll(async () => {
      bootId = await installed().cluster.bootId();
      seen = installed().states().length;
    });

    async function cutPowerWhile(state: string): Promise<void> {
      await installed().untilState(state, seen);
      await installed().cluster.machine.powerCut();
      expect(installed().witness.holders()).toEqual(['machine']);
      await installed().cluster.machine.powerOn();
    }

    it('while the node is drained: that boot is the one it asked for, and it is looked after', async () => {
      await installed().touchSentinel();
      await cutPowerWhile('draining');
      await installed().untilState('verifying', seen);
      const between = await installed().cluster.bootId();
      expect(between).not.toBe(bootId);
      bootId = between;
      expect(installed().states(seen)).not.toContain('rebooting');
    });

    it('and again while it is looked after: it is looked after again, and takes pods', async () => {
      await cutPowerWhile('verifying');
      await installed().cluster.untilReady(bootId);
      await installed().untilState('idle', seen);
      await installed().untilPodsReady();
      expect(installed().witness.holders()).toEqual([]);
      expect((await installed().node()).spec.unschedulable ?? false).toBe(false);
      expect(installed().witness.broken).toEqual([]);
    });
  });
}
