import { describe, expect, it } from 'vitest';

import { stateLabel } from '../../../agent/cluster/names.ts';
import { leases, type PodObject, pods } from '../../../agent/cluster/objects.ts';
import { parseConfig } from '../../../agent/config/load.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { directPort } from '../../emulators/kubernetes/directport.ts';
import { Chance } from '../random.ts';
import { Machine } from './machine.ts';
import { fair, Network } from './network.ts';

const namespace = 'default';

describe('one machine', () => {
  it('that a package wants rebooted is cordoned, drained, rebooted, proven and uncordoned, and the slot given back', async () => {
    const clock = new VirtualClock();
    const chance = new Chance(1);
    const server = new EmulatedApiServer({ clock, controllers: true });
    server.access.grant('admin');
    const admin = directPort({ server, user: 'admin', clock });
    const happened: string[] = [];
    const config = parseConfig('reboot: { enabled: true, minInterval: 0s }', 'test').reboot;
    const author = { current: undefined };
    const network = new Network({ machine: 'node-1', author, faults: {}, chance, clock });
    network.weather = fair;
    const machine = new Machine({
      name: 'node-1',
      labels: {},
      namespace,
      config: () => config,
      port: () => admin,
      network,
      admin,
      paused: () => false,
      onEvent: (_, reason) => void happened.push(reason),
      onStep: () => undefined,
      onOrder: () => void happened.push('(the host is told)'),
      onDefect: (_, what) => expect.unreachable(what),
      clock,
      chance,
    });
    await machine.register();
    await admin.create<PodObject>(pods, namespace, {
      metadata: { name: 'web-1' },
      spec: { nodeName: 'node-1', terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: 'web' }] },
    });
    // It has been up for longer than `minInterval`.
    for (let minute = 0; minute < 61; minute += 1) await clock.advance(60_000);
    const before = machine.host.boot.bootId;
    machine.need.want(['linux-image']);
    for (let minute = 0; minute < 20; minute += 1) await clock.advance(60_000);
    const node = await machine.node();
    expect(machine.host.boot.bootId).not.toBe(before);
    expect(node?.spec?.unschedulable ?? false).toBe(false);
    expect(node?.metadata.labels?.[stateLabel]).toBeUndefined();
    expect(happened.filter((what) => what !== 'RebootNodeNotReady')).toEqual([
      'RebootWanted',
      'RebootWaiting',
      'RebootSlotTaken',
      'RebootCordoned',
      'RebootDraining',
      'RebootDrainLoses',
      'Rebooting',
      '(the host is told)',
      'RebootGoingDown',
      'Rebooted',
      'RebootSoaking',
      'RebootDone',
    ]);
    const { items } = await admin.list(leases, { namespace }, ({ spec }) => spec?.holderIdentity ?? '');
    expect(items).toEqual(['']);
    machine.crash();
  });
});
