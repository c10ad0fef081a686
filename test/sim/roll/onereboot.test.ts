import { describe, expect, it } from 'vitest';

import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { stateLabel } from '../../../agent/cluster/names.ts';
import { leases } from '../../../agent/cluster/objects.ts';
import { parseConfig } from '../../../agent/config/load.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';
import { Chance } from '../random.ts';
import { Machine } from './machine.ts';

describe('one machine', () => {
  it('that a package wants rebooted is cordoned, drained, rebooted, proven and uncordoned, and the slot given back', async () => {
    const clock = new VirtualClock();
    const chance = new Chance(1);
    const server = new EmulatedApiServer({ clock, controllers: true });
    server.access.grant('admin');
    const client = () =>
      new KubernetesClient({
        transport: new InMemoryTransport({ server, user: 'admin', clock }),
        clock,
        random: chance.next,
        userAgent: 'nodetender/test',
        rate: { perSecond: 1000, burst: 10_000 },
      });
    const admin = client();
    const happened: string[] = [];
    const config = parseConfig('{}', 'test').reboot;
    const machine = new Machine({
      name: 'node-1',
      namespace: 'default',
      config: () => config,
      port: () => client(),
      admin,
      paused: () => false,
      onEvent: (_, reason) => void happened.push(reason),
      clock,
      chance,
    });
    await machine.register();
    await machine.runPod('web-1', { app: 'web' });
    await clock.advance(10_000);
    const before = machine.host.boot.bootId;
    machine.need.want(['linux-image']);
    for (let minute = 0; minute < 20; minute += 1) await clock.advance(60_000);
    const node = await machine.node();
    expect(machine.host.boot.bootId).not.toBe(before);
    expect(node.spec?.unschedulable ?? false).toBe(false);
    expect(node.metadata.labels?.[stateLabel]).toBeUndefined();
    expect(happened).toEqual([
      'RebootWanted',
      'RebootWaiting',
      'RebootSlotTaken',
      'RebootCordoned',
      'RebootDraining',
      'Rebooting',
      'RebootGoingDown',
      'Rebooted',
      'RebootSoaking',
      'RebootDone',
    ]);
    const { items } = await admin.list(leases, { namespace: 'default' }, ({ spec }) => spec?.holderIdentity ?? '');
    expect(items).toEqual(['']);
    machine.crash();
  });
});
