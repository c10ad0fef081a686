import type { Clock, Random } from '../../clock.ts';
import type { NodeView } from '../../cluster/node.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { Config } from '../../config/load.ts';
import { connectHost, connectNeed, type HostSurroundings } from '../../host/connect.ts';
import { newRunners } from '../../host/methods.ts';
import type { HostPort } from '../../host/port.ts';
import type { Logger } from '../../observe/log.ts';
import type { Metrics } from '../../observe/metrics.ts';
import { exchange } from '../../web/exchange.ts';
import { ConfiguredNeed } from './configuredneed.ts';
import { openMessages } from './messages.ts';
import { RebootDuty, type RebootDutyOptions } from './reboot.ts';

export interface OpenRebootsOptions extends Pick<
  RebootDutyOptions,
  'paused' | 'checkPause' | 'podsChangedAtMs' | 'event'
> {
  readonly port: KubernetesPort;
  readonly nodeName: string;
  readonly namespace: string;
  readonly config: () => Config;
  readonly node: () => NodeView | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface Reboots {
  /** To be called when the Node, the pause or the configuration has changed. */
  look(): void;
  /** Until `signal` aborts. */
  work(signal: AbortSignal): Promise<void>;
}

/**
 * Reboots of the host that this process runs on. What asks for them, and who is told, is taken from the configuration of this
 * moment; everything else from that of each step. Throws `host/no-boot` where it is not known which boot this is.
 */
export async function openReboots(options: OpenRebootsOptions): Promise<Reboots> {
  const { config, env, metrics, clock } = options;
  const surroundings: HostSurroundings = {
    clock,
    busAddress: env['DBUS_SYSTEM_BUS_ADDRESS'],
    runners: newRunners(),
  };
  const host = hostAsConfigured(config, surroundings);
  await host.boot();
  const need = new ConfiguredNeed({
    settings: () => config().reboot.sentinel,
    connect: (settings) => connectNeed(settings, surroundings),
  });
  const duty = new RebootDuty({
    ...options,
    config: () => config().reboot,
    host,
    need,
    ...openMessages({ ...options, config: () => config().reboot, exchange }),
    watcher: metrics.reboots,
  });
  return {
    look: () => {
      need.look();
      duty.look();
    },
    work: async (until) => await duty.work(until),
  };
}

/** Nothing is kept open between two questions, so each goes the way that is configured then. */
function hostAsConfigured(config: () => Config, surroundings: HostSurroundings): HostPort {
  const host = (): HostPort => connectHost(config().reboot.way, surroundings);
  return {
    boot: () => host().boot(),
    canReboot: (signal) => host().canReboot(signal),
    inhibitors: (signal) => host().inhibitors(signal),
    preparingForShutdown: (signal) => host().preparingForShutdown(signal),
    reboot: (signal) => host().reboot(signal),
  };
}
