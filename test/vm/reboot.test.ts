import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { Installation, namespace } from '../harness/vm/installation.ts';

/** A virtual machine with systemd and a kubelet; the chart's pod, with its default privileges, reboots it for real. */

const wholeWay = ['wanted', 'waiting', 'cordoned', 'draining', 'rebooting', 'verifying', 'releasing', 'idle'];

let installation: Installation;
beforeAll(async () => {
  installation = await Installation.create();
});
afterAll(async () => {
  await installation?.dispose();
});

describe('the pod that the chart makes', () => {
  it('has no capability, sees no process of the host and cannot write its own files', async () => {
    const [pod] = await installation.pods(namespace);
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
    const { cluster } = installation;
    const bootId = await cluster.bootId();
    await cluster.machine.shell(
      'systemd-run --unit=update systemd-inhibit --what=shutdown --who=apt --why=update --mode=block sleep infinity',
    );
    await installation.touchSentinel();
    await installation.untilState('wanted');
    await eventually(
      'an Event says what is in the way',
      async () => (await installation.reasons()).includes('RebootBlocked'),
      60_000,
    );
    // Several times as long as everything before the reboot takes.
    await delay(45_000);
    expect(installation.states()).toEqual(['idle', 'wanted']);
    expect(installation.witness.holders()).toEqual([]);
    expect(await cluster.bootId()).toBe(bootId);
  });

  it('goes the whole way once that is over: a new boot ID, its pods moved off before and back after', async () => {
    const { cluster } = installation;
    const bootId = await cluster.bootId();
    const before = new Set((await installation.pods('default')).map(({ name }) => name));
    await cluster.machine.shell('systemctl stop update');
    await installation.untilState('rebooting');
    await cluster.untilReady(bootId);
    await installation.untilState('idle', 2);
    expect(installation.states()).toEqual(['idle', ...wholeWay]);
    await installation.untilPodsReady();
    const after = (await installation.pods('default')).map(({ name }) => name);
    expect(after.filter((name) => before.has(name))).toEqual([]);
    expect(await installation.reasons()).toEqual(expect.arrayContaining(['Rebooting', 'Rebooted', 'RebootDone']));
  });

  it('leaves nothing behind', async () => {
    const { metadata, spec, status } = await installation.node();
    expect(spec.unschedulable ?? false).toBe(false);
    expect(metadata.labels).not.toHaveProperty('nodetender.dev/state');
    expect(installation.witness.holders()).toEqual([]);
    expect(status.conditions.find(({ type }) => type === 'RebootRequired')?.status ?? 'False').toBe('False');
    expect(installation.witness.broken).toEqual([]);
  });
});
