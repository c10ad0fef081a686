import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemBusSocket } from '../../../agent/host/bus.ts';
import { connectHost, connectNeed } from '../../../agent/host/connect.ts';
import { newRunners } from '../../../agent/host/methods.ts';
import { Sentinel } from '../../../agent/host/sentinel.ts';
import { SentinelCommand } from '../../../agent/host/sentinelcommand.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedBus } from '../../emulators/host/bus.ts';
import { EmulatedHost } from '../../emulators/host/host.ts';

/** Stands for a container without hostPID: PID 1 is ourselves. */
const init = { pid: process.pid, procDirectory: '/proc' };
const way = { signal: 39, command: ['/bin/systemctl', 'reboot'] };

describe('the host as configured', () => {
  let directory: string;
  let clock: VirtualClock;
  let host: EmulatedHost;
  let bus: EmulatedBus;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-connect-'));
    clock = new VirtualClock();
    host = new EmulatedHost({ clock });
    bus = new EmulatedBus(join(directory, 'bus'), host);
    await bus.start();
  });
  afterEach(async () => {
    await bus.stop();
    await rm(directory, { recursive: true });
  });

  it('is rebooted by the logind on the bus that the environment names', async () => {
    const port = connectHost(
      { ...way, method: 'logind' },
      { clock, busAddress: `unix:path=${bus.socketPath}`, init, runners: newRunners() },
    );
    await port.reboot();
    expect(host.rebootsAsked).toBe(1);
  });

  it.each(['signal', 'command'] as const)('is not rebooted by %s without hostPID', async (method) => {
    const port = connectHost(
      { ...way, method },
      { clock, busAddress: `unix:path=${bus.socketPath}`, init, runners: newRunners() },
    );
    expect(await port.canReboot()).toMatchObject({ able: false, code: 'host/no-init' });
    await expect(port.reboot()).rejects.toMatchObject({ code: 'host/no-init' });
    expect(host.rebootsAsked).toBe(0);
  });

  it('says by a file that it wants a reboot, or by a command in its place', () => {
    const settings = { path: '/run/reboot-required', checkEveryMs: 60_000 };
    const command = { argv: ['needs-restarting', '-r'], timeoutMs: 60_000 };
    expect(connectNeed({ ...settings, command: undefined }, { clock })).toBeInstanceOf(Sentinel);
    expect(connectNeed({ ...settings, command }, { clock })).toBeInstanceOf(SentinelCommand);
  });
});

it.each([
  [undefined, '/run/dbus/system_bus_socket'],
  ['', '/run/dbus/system_bus_socket'],
  ['unix:path=/tmp/a%20b', '/tmp/a b'],
  ['tcp:host=example,port=1;unix:guid=1,path=/x,other=2', '/x'],
  ['unix:abstract=/y', '/run/dbus/system_bus_socket'],
])('the system bus at %j is the socket %s', (address, path) => {
  expect(systemBusSocket(address)).toBe(path);
});
