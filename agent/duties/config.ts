import type { Clock } from '../clock.ts';
import { type Config, defaultConfig } from '../config/load.ts';
import { watchConfig } from '../config/reload.ts';
import type { NodetenderError } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';

/** What the command line says wins over the file, for the whole life of the process. */
export interface ConfigOverrides {
  readonly stateDirectory?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly nodeName?: string | undefined;
}

export interface FollowConfigOptions {
  /** Undefined: the defaults, which never change. */
  readonly path: string | undefined;
  readonly overrides: ConfigOverrides;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onChange: () => void;
  /** Told when a changed file was refused. */
  readonly onRefused: (error: NodetenderError) => void;
}

export interface LiveConfig {
  /** What is in force at this moment. */
  readonly current: () => Config;
  /** Looks at the file at once. */
  readonly lookNow: () => void;
  readonly ended: Promise<void>;
}

/** The configuration over the agent's life. Rejects when there is nothing good to begin with. */
export async function followConfig(options: FollowConfigOptions, signal: AbortSignal): Promise<LiveConfig> {
  const { path, overrides, clock, log, metrics, onChange, onRefused } = options;
  const accept = (config: Config): Config => {
    log.level = config.log.level;
    metrics.configAccepted(clock.nowMs());
    return withOverrides(config, overrides);
  };
  if (path === undefined) {
    return { current: constant(accept(defaultConfig)), lookNow: () => undefined, ended: Promise.resolve() };
  }
  let current: Config | undefined;
  const watch = await watchConfig({
    path,
    clock,
    signal,
    onChange: (config) => {
      const before = current;
      current = accept(config);
      const waiting = before === undefined ? [] : restartNeeded(before, current);
      log.info({ path }, 'configuration taken up');
      if (waiting.length > 0) log.warn({ path, fields: waiting }, 'these settings need a restart of the agent');
      onChange();
    },
    onRefused: (error) => {
      metrics.configRefused();
      log.error({ path, error }, 'configuration refused; the last good one stays in force');
      onRefused(error);
    },
  });
  const first = accept(watch.config);
  current ??= first;
  return { current: () => current ?? first, lookNow: watch.lookNow, ended: watch.ended };
}

/** The fields that differ and are read only when the agent starts. */
function restartNeeded(before: Config, now: Config): string[] {
  const fields: [string, unknown, unknown][] = [
    ['stateDirectory', before.stateDirectory, now.stateDirectory],
    ['runtime.endpoint', before.runtime.endpoint, now.runtime.endpoint],
    ['http.address', before.http, now.http],
    ['cluster.enabled', before.cluster.enabled, now.cluster.enabled],
    ['cluster.nodeName', before.cluster.nodeName, now.cluster.nodeName],
    ['cluster.namespace', before.cluster.namespace, now.cluster.namespace],
    ['cluster.excludeNamespaces', before.cluster.excludeNamespaces, now.cluster.excludeNamespaces],
  ];
  return fields.filter(([, one, other]) => JSON.stringify(one) !== JSON.stringify(other)).map(([field]) => field);
}

function withOverrides(config: Config, { stateDirectory, endpoint, nodeName }: ConfigOverrides): Config {
  return {
    ...config,
    stateDirectory: stateDirectory ?? config.stateDirectory,
    runtime: { endpoint: endpoint ?? config.runtime.endpoint },
    cluster: { ...config.cluster, nodeName: nodeName ?? config.cluster.nodeName },
  };
}

function constant<T>(value: T): () => T {
  return () => value;
}
