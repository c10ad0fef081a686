import { beforeEach, describe, expect, it } from 'vitest';

import type { Installation } from '../harness/vm/installation.ts';

/** The power goes at three moments of a reboot, and comes back: the roll ends as it would have. */
export function powerCut(installed: () => Installation): void {
  describe('a machine whose power is cut', () => {
    let bootId: string;
    let seen: number;
    beforeEach(async () => {
      bootId = await installed().cluster.bootId();
      seen = installed().states().length;
    });

    async function cutPowerWhile(state: string): Promise<void> {
      await installed().untilState(state, seen);
      await installed().cluster.machine.powerCut();
      expect(installed().witness.holders()).toEqual(['machine']);
      await installed().cluster.machine.powerOn();
    }

    async function endsWell(): Promise<void> {
      await installed().cluster.untilReady(bootId);
      await installed().untilState('idle', seen);
      await installed().untilPodsReady();
      expect(installed().witness.holders()).toEqual([]);
      expect((await installed().node()).spec.unschedulable ?? false).toBe(false);
      expect(installed().witness.broken).toEqual([]);
    }

    it('while the node is drained: it takes pods again', async () => {
      await installed().touchSentinel();
      await cutPowerWhile('draining');
      await endsWell();
      expect(installed().states(seen)).toContain('draining');
    });

    it('while the machine goes down: it has rebooted all the same', async () => {
      await installed().touchSentinel();
      await cutPowerWhile('rebooting');
      await endsWell();
      expect(installed().states(seen)).toEqual(expect.arrayContaining(['rebooting', 'verifying', 'releasing', 'idle']));
    });

    it('while it is looked after once it is back: it is looked after again', async () => {
      await installed().touchSentinel();
      await installed().untilState('verifying', seen);
      const between = await installed().cluster.bootId();
      expect(between).not.toBe(bootId);
      bootId = between;
      await cutPowerWhile('verifying');
      await endsWell();
      expect(installed().states(seen).at(-1)).toBe('idle');
    });
  });
}
