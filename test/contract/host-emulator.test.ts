import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { logindHost } from '../../agent/host/host.ts';
import { EmulatedBus } from '../emulators/host/bus.ts';
import { EmulatedHost } from '../emulators/host/host.ts';
import { inMemoryHostPort } from '../emulators/host/in-memory-port.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { describeHostContract } from './host.contract.ts';

const MORE_THAN_A_DEADLINE_MS = 60_000;

describeHostContract('the host in memory', async () => {
  const clock = new VirtualClock();
  const host = new EmulatedHost({ clock });
  return {
    port: inMemoryHostPort(host),
    host,
    endLogind: async () => {
      host.hasLogind = false;
    },
    passDeadline: () => clock.advance(MORE_THAN_A_DEADLINE_MS),
    dispose: async () => undefined,
  };
});

describeHostContract('an emulated bus', async () => {
  const clock = new VirtualClock();
  const host = new EmulatedHost({ clock });
  const directory = await mkdtemp(join(tmpdir(), 'nodetender-host-'));
  const bus = new EmulatedBus(join(directory, 'bus'), host);
  const called = Promise.withResolvers<void>();
  bus.onCall = () => called.resolve();
  await bus.start();
  return {
    port: logindHost({ socketPath: bus.socketPath, clock }),
    host,
    endLogind: async () => {
      host.hasLogind = false;
    },
    passDeadline: async () => {
      await called.promise;
      await clock.advance(MORE_THAN_A_DEADLINE_MS);
    },
    dispose: async () => {
      await bus.stop();
      await rm(directory, { recursive: true });
    },
  };
});
