import { runAgent } from '../agent.ts';
import { build } from '../build.ts';
import { systemClock } from '../clock.ts';
import { joinCluster } from '../duties/joincluster.ts';
import { createLogger } from '../observe/log.ts';
import { connectRuntime } from '../runtime/cri.ts';
import { findRuntimeEndpoint } from '../runtime/sockets.ts';
import { exitStatus, type Host } from './host.ts';
import { type AgentCommandOptions, configurationPath } from './options.ts';

/** `nodetender agent`: works until it is asked to stop. */
export async function agentCommand(options: AgentCommandOptions, host: Host): Promise<number> {
  const log = createLogger({ level: 'info', stream: host.log });
  host.onCrash((error) => log.fatal({ error }, 'defect: the agent ends'));
  await runAgent({
    configPath: await configurationPath(options),
    overrides: {
      endpoint: options.runtimeEndpoint,
      stateDirectory: options.stateDir,
      nodeName: options.nodeName,
    },
    requests: {
      stop: host.stop,
      onRunNow: (listener) => host.onSignal('SIGUSR1', listener),
      onReload: (listener) => host.onSignal('SIGHUP', listener),
    },
    connect: async (endpoint, onHealth) =>
      connectRuntime({ endpoint: endpoint ?? (await findRuntimeEndpoint()), onHealth }),
    join: (cluster) =>
      joinCluster({
        cluster,
        kubeconfig: options.kubeconfig,
        env: host.env,
        userAgent: `nodetender/${build.version}`,
        clock: systemClock,
        random: Math.random,
      }),
    build,
    log,
    clock: systemClock,
    random: Math.random,
  });
  return exitStatus.done;
}
