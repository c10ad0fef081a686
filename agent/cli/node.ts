import { type Clock, systemClock } from '../clock.ts';
import { type Config, defaultConfig, loadConfig } from '../config/load.ts';
import { Gatherer } from '../images/gather.ts';
import { History } from '../images/history.ts';
import { type CriRuntime, connectRuntime } from '../runtime/cri.ts';
import { findRuntimeEndpoint } from '../runtime/sockets.ts';
import { configurationPath, type NodeOptions } from './options.ts';

/** This node, as a command sees it. */
export interface Node {
  readonly config: Config;
  readonly runtime: CriRuntime;
  /** Read, never written: that is the agent's part. */
  readonly history: History;
  readonly gatherer: Gatherer;
  readonly stateDirectory: string;
  readonly clock: Clock;
}

/**
 * Works on this node, and ends the connection afterwards. Rejects when the configuration is refused or the runtime does
 * not answer, or when `stop` aborts before it did.
 */
export async function withNode<T>(
  options: NodeOptions,
  stop: AbortSignal,
  work: (node: Node) => Promise<T>,
): Promise<T> {
  const clock = systemClock;
  const configPath = await configurationPath(options);
  const config = configPath === undefined ? defaultConfig : await loadConfig(configPath);
  const endpoint = options.runtimeEndpoint ?? config.runtime.endpoint ?? (await findRuntimeEndpoint());
  const runtime = connectRuntime({ endpoint });
  try {
    await runtime.version(stop);
    const stateDirectory = options.stateDir ?? config.stateDirectory;
    const history = await History.open({ directory: stateDirectory, clock, readOnly: true });
    history.expectLooks(config.images.sampleEveryMs);
    const gatherer = new Gatherer({ port: runtime, history, clock });
    return await work({ config, runtime, history, gatherer, stateDirectory, clock });
  } finally {
    runtime.close();
  }
}
