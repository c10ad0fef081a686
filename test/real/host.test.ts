import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import { logindHost } from '../../agent/host/host.ts';
import type { HostPort } from '../../agent/host/port.ts';
import { describeHostContract } from '../contract/host.contract.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { EmulatedHost } from '../emulators/host/host.ts';
import { Login1Service } from '../harness/login1service.ts';
import { eventually } from '../harness/eventually.ts';
import { SystemBus } from '../harness/systembus.ts';

describeHostContract('a real bus with an emulated logind', async () => {
  const clock = new VirtualClock();
  const host = new EmulatedHost({ clock });
  const bus = await SystemBus.launch();
  const logind = await Login1Service.join(bus.socketPath, host);
  const called = Promise.withResolvers<void>();
  logind.onCall = () => called.resolve();
  return {
    port: logindHost({ socketPath: bus.socketPath, clock }),
    host,
    endLogind: async () => {
      await logind.leave();
      await eventually('the name is free', async () => {
        const ability = await logindHost({ socketPath: bus.socketPath, clock: systemClock }).canReboot();
        return !ability.able && ability.code === 'host/no-logind';
      });
    },
    passDeadline: async () => {
      await called.promise;
      await clock.advance(60_000);
    },
    dispose: async () => {
      await logind.leave();
      await bus.destroy();
    },
  };
});

/** Whatever goes wrong in this file, the bus lets none of these through, and systemd is not on it. */
const NEVER = [
  'Reboot',
  'RebootWithFlags',
  'PowerOff',
  'PowerOffWithFlags',
  'Halt',
  'HaltWithFlags',
  'ScheduleShutdown',
];

describe('a host port on a real systemd-logind', () => {
  let bus: SystemBus;
  let port: HostPort;

  beforeAll(async () => {
    bus = await SystemBus.launch({ denied: NEVER });
    await bus.startLogind();
    port = logindHost({ socketPath: bus.socketPath, clock: systemClock });
  });
  afterAll(async () => {
    await bus.destroy();
  });

  it('may reboot as root, and nothing forbids or prepares it', async () => {
    expect(await port.canReboot()).toEqual({ able: true });
    expect(await port.inhibitors()).toEqual([]);
    expect(await port.preparingForShutdown()).toBe(false);
  });

  it('sees who forbids a shutdown, until they are done', async () => {
    const lock = { what: 'shutdown:sleep', who: 'APT', why: 'APT is installing', mode: 'block' };
    const ends = [
      await bus.inhibit(lock),
      await bus.inhibit({ ...lock, who: 'kubelet', what: 'shutdown', mode: 'delay' }),
      await bus.inhibit({ ...lock, who: 'player', what: 'sleep' }),
    ];
    const [apt, ...others] = await port.inhibitors();
    expect(others).toEqual([]);
    expect(apt).toEqual({ who: 'APT', why: 'APT is installing', uid: 0, pid: expect.any(Number) });
    await expect(port.reboot()).rejects.toMatchObject({ code: 'host/inhibited' });
    await Promise.all(ends.map((end) => end()));
    await eventually('the inhibitors are gone', async () => (await port.inhibitors()).length === 0);
  });

  it('tells a denial by the bus, as a security module denies, by what to do', async () => {
    const error = await port.reboot().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'host/reboot-denied', message: expect.stringMatching(/AppArmor or SELinux/) });
  });

  it('survives a bus that is started anew', async () => {
    await bus.daemon.stop();
    expect(await port.canReboot()).toMatchObject({
      able: false,
      code: expect.stringMatching(/no-bus|bus-unreachable/),
    });
    await bus.daemon.start();
    await expect(port.inhibitors()).rejects.toMatchObject({ code: 'host/no-logind' });
  });
});
