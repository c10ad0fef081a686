import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { type Installation, namespace } from '../harness/vm/installation.ts';

const wholeWay = ['wanted', 'waiting', 'cordoned', 'draining', 'rebooting', 'verifying', 'releasing', 'idle'];
/** Twice as long as everything before the reboot takes on an emulated processor. */
const INHIBITED_MS = 30_000;

/** A machine asks for a reboot for the first time. */
export function reboot(installed: () => Installation): void {
  describe('the pod that the chart makes', () => {
    it('has no capability, sees no process of the host and cannot write its own files', async () => {
      const [pod] = await installed().pods(namespace);
      expect(pod?.spec).not.toMatchObject({ hostPID: true });
      expect(pod?.spec).not.toMatchObject({ hostNetwork: true });
      expect(pod?.spec).toMatchObject({
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            securityContext: {
              runAsUser: 0,
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
          },
        ],
      });
    });
  });

  describe('a machine that asks for a reboot', () => {
    it('is not rebooted while a package manager holds a block inhibitor', async () => {
      const { cluster, witness } = installed();
      const bootId = await cluster.bootId();
      await cluster.machine.shell(
        'systemd-run --unit=update systemd-inhibit --what=shutdown --who=apt --why=update --mode=block sleep infinity',
      );
      await installed().touchSentinel();
      await installed().untilState('wanted');
      await eventually(
        'an Event says what is in the way',
        async () => (await installed().reasons()).includes('RebootBlocked'),
        300_000,
      );
      await delay(INHIBITED_MS);
      expect(installed().states()).toEqual(['idle', 'wanted']);
      expect(witness.holders()).toEqual([]);
      expect(await cluster.bootId()).toBe(bootId);
    });

    it('goes the whole way once that is over: a new boot ID, its pods moved off before and back after', async () => {
      const { cluster } = installed();
      const bootId = await cluster.bootId();
      const before = new Set((await installed().pods('default')).map(({ name }) => name));
      await cluster.machine.shell('systemctl stop update');
      await installed().untilState('rebooting');
      await cluster.untilReady(bootId);
      await installed().untilState('idle', 2);
      expect(installed().states()).toEqual(['idle', ...wholeWay]);
      await installed().untilPodsReady();
      const after = (await installed().pods('default')).map(({ name }) => name);
      expect(after.filter((name) => before.has(name))).toEqual([]);
      expect(await installed().reasons()).toEqual(expect.arrayContaining(['Rebooting', 'Rebooted', 'RebootDone']));
    });

    it('leaves nothing behind', async () => {
      const { metadata, spec, status } = await installed().node();
      expect(spec.unschedulable ?? false).toBe(false);
      expect(metadata.labels).not.toHaveProperty('nodetender.dev/state');
      expect(installed().witness.holders()).toEqual([]);
      expect(status.conditions.find(({ type }) => type === 'RebootRequired')?.status ?? 'False').toBe('False');
      expect(installed().witness.broken).toEqual([]);
    });
  });
}
