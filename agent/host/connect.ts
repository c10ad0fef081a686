import type { Clock } from '../clock.ts';
import { systemBusSocket } from './bus.ts';
import { hostByMethod, logindHost } from './host.ts';
import { hostInit, type InitProcess } from './initprocess.ts';
import { commandMethod, type Runners, signalMethod } from './methods.ts';
import type { HostPort, NeedSource } from './port.ts';
import { Sentinel } from './sentinel.ts';
import { SentinelCommand } from './sentinelcommand.ts';

/** How the host is rebooted. */
export interface RebootWay {
  readonly method: 'logind' | 'signal' | 'command';
  /** For the method of that name. */
  readonly signal: number;
  readonly command: readonly string[];
}

/** What says that a reboot is wanted. */
export interface SentinelSettings {
  readonly path: string;
  /** In place of the file. */
  readonly command: { readonly argv: readonly string[]; readonly timeoutMs: number } | undefined;
  readonly checkEveryMs: number;
}

export interface HostSurroundings {
  readonly clock: Clock;
  /** As DBUS_SYSTEM_BUS_ADDRESS has it. */
  readonly busAddress?: string | undefined;
  /** PID 1 where left out. */
  readonly init?: InitProcess;
  /** One for all that are connected, one after the other: what has not ended is not started again. */
  readonly runners: Runners;
}

/** The host that this process runs on. Nothing is tried before it is asked something. */
export function connectHost(
  way: RebootWay,
  { clock, busAddress, runners, init = hostInit }: HostSurroundings,
): HostPort {
  const bus = { socketPath: systemBusSocket(busAddress), clock };
  switch (way.method) {
    case 'logind':
      return logindHost(bus);
    case 'signal':
      return hostByMethod(signalMethod({ init, signalNumber: way.signal }), bus);
    case 'command':
      return hostByMethod(commandMethod({ init, command: way.command, clock, runners }), bus);
  }
}

/** Where this host says that it wants a reboot. */
export function connectNeed(
  { path, command, checkEveryMs }: SentinelSettings,
  { clock, init = hostInit }: Pick<HostSurroundings, 'clock' | 'init'>,
): NeedSource {
  if (command === undefined) return new Sentinel({ path, clock, lookEveryMs: checkEveryMs });
  const { argv, timeoutMs } = command;
  return new SentinelCommand({ command: argv, everyMs: checkEveryMs, deadlineMs: timeoutMs, clock, init });
}
