import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { NodetenderError } from '../../../agent/errors.ts';
import { hostByMethod } from '../../../agent/host/host.ts';
import type { RebootMethod } from '../../../agent/host/methods.ts';
import type { HostPort } from '../../../agent/host/port.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedBus } from '../../emulators/host/bus.ts';
import { EmulatedHost } from '../../emulators/host/host.ts';

const apt = { what: 'shutdown', who: 'APT', why: 'installing', mode: 'block', uid: 0, pid: 7 } as const;

describe('a host that is rebooted past logind', () => {
  let directory: string;
  let clock: VirtualClock;
  let host: EmulatedHost;
  let bus: EmulatedBus;
  let reboots: number;
  let port: HostPort;
  const method: RebootMethod = {
    check: async () => undefined,
    reboot: async () => {
      reboots += 1;
    },
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-method-'));
    clock = new VirtualClock();
    host = new EmulatedHost({ clock });
    bus = new EmulatedBus(join(directory, 'bus'), host);
    await bus.start();
    reboots = 0;
    port = hostByMethod(method, { socketPath: bus.socketPath, clock });
  });
  afterEach(async () => {
    await bus.stop();
    await rm(directory, { recursive: true });
  });

  it('reboots by its method, and asks logind for nothing but who forbids it', async () => {
    await port.reboot();
    expect({ reboots, asked: host.rebootsAsked }).toEqual({ reboots: 1, asked: 0 });
  });

  it('obeys who forbids a shutdown through logind', async () => {
    host.inhibit(apt);
    await expect(port.reboot()).rejects.toMatchObject({
      code: 'host/inhibited',
      message: expect.stringContaining('APT'),
    });
    expect(reboots).toBe(0);
  });

  it('does without logind where there is none: nobody can forbid it there', async () => {
    host.hasLogind = false;
    expect(await port.inhibitors()).toEqual([]);
    expect(await port.preparingForShutdown()).toBeUndefined();
    await port.reboot();
    expect(reboots).toBe(1);
  });

  it('does without a bus where there is none', async () => {
    port = hostByMethod(method, { socketPath: join(directory, 'none'), clock });
    await port.reboot();
    expect(reboots).toBe(1);
  });

  it('does not reboot past a logind that is there and does not answer', async () => {
    host.hangs = true;
    const called = Promise.withResolvers<void>();
    bus.onCall = () => called.resolve();
    const passDeadline = async (): Promise<void> => {
      await called.promise;
      await clock.advance(60_000);
    };
    await Promise.all([expect(port.reboot()).rejects.toMatchObject({ code: 'host/deadline' }), passDeadline()]);
    expect(reboots).toBe(0);
  });

  it('cannot reboot where its method cannot', async () => {
    const check = async (): Promise<void> => {
      throw new NodetenderError('host/no-init', 'set hostPID');
    };
    port = hostByMethod({ ...method, check }, { socketPath: bus.socketPath, clock });
    expect(await port.canReboot()).toEqual({ able: false, code: 'host/no-init', text: 'set hostPID' });
    await expect(port.reboot()).rejects.toMatchObject({ code: 'host/no-init' });
    expect(reboots).toBe(0);
  });
});
