import { runAgent } from '../agent.ts';
import { build } from '../build.ts';
import { systemClock } from '../clock.ts';
import { createLogger } from '../observe/log.ts';
import { connectRuntime } from '../runtime/cri.ts';
import { findRuntimeEndpoint } from '../runtime/sockets.ts';
import { exitStatus, type Host } from './host.ts';
import { configurationPath, type NodeOptions } from './options.ts';

/** `nodetender agent`: works until it is asked to stop. */
export async function agentCommand(options: NodeOptions, host: Host): Promise<number> {
  const log = createLogger({ level: 'info' });
  host.onCrash((error) => log.fatal({ error }, 'defect: the agent ends'));
  await runAgent({
    configPath: await configurationPath(options),
    overrides: { endpoint: options.runtimeEndpoint, stateDirectory: options.stateDir },
    requests: {
      stop: host.stop,
      onRunNow: (listener) => host.onSignal('SIGUSR1', listener),
      onReload: (listener) => host.onSignal('SIGHUP', listener),
    },
    connect: async (endpoint, onHealth) =>
      connectRuntime({ endpoint: endpoint ?? (await findRuntimeEndpoint()), onHealth }),
    build,
    log,
    clock: systemClock,
    random: Math.random,
  });
  return exitStatus.done;
}
