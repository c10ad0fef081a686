import type { Clock } from '../clock.ts';
import { type Config, defaultConfig } from '../config/load.ts';
import { watchConfig } from '../config/reload.ts';
import type { NodetenderError } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { ConfigKeeper } from './configkeeper.ts';

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
  /** Where state is kept unless something says otherwise; default: where the schema says. */
  readonly usualDirectory?: string;
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
  /** Why the file of this moment is not in force; undefined: it is. */
  readonly refused: () => NodetenderError | undefined;
  readonly ended: Promise<void>;
}

/**
 * The configuration over the agent's lives: a bad one changes nothing of what was in force, neither now nor at a start. Rejects when
 * there is nothing good to begin with, of the file or kept by an earlier life.
 */
export async function followConfig(options: FollowConfigOptions, signal: AbortSignal): Promise<LiveConfig> {
  const { path, overrides, clock, log, metrics, onChange, onRefused } = options;
  const accept = (config: Config, acceptedAtMs: number): Config => {
    log.level = config.log.level;
    metrics.configAccepted(acceptedAtMs);
    return withOverrides(config, overrides);
  };
  if (path === undefined) {
    const current = constant(accept(defaultConfig, clock.nowMs()));
    return { current, refused: constant(undefined), lookNow: () => undefined, ended: Promise.resolve() };
  }
  let current: Config | undefined;
  let refusal: NodetenderError | undefined;
  const refuse = (error: NodetenderError): void => {
    refusal = error;
    metrics.configRefused();
  };
  const { usualDirectory } = options;
  const keeper = new ConfigKeeper({ path, givenDirectory: overrides.stateDirectory, usualDirectory, clock, log });
  let recalled: { readonly text: string; readonly acceptedAtMs: number; readonly inForceAtMs: number } | undefined;
  const watch = await watchConfig({
    path,
    clock,
    signal,
    insteadOf: async (error, text) => {
      const before = await keeper.recall(text);
      if ('why' in before) {
        log.error({ path, error, why: before.why }, 'configuration refused, and none of before is known');
        return undefined;
      }
      recalled = before;
      const since = new Date(before.acceptedAtMs).toISOString();
      log.error({ path, error, since }, 'configuration refused; the one that was in force before this start stays so');
      return before.config;
    },
    onChange: (config, text) => {
      const before = current;
      const acceptedAtMs = clock.nowMs();
      current = accept(config, acceptedAtMs);
      refusal = undefined;
      void keeper.keep({ stateDirectory: current.stateDirectory, text, acceptedAtMs });
      const waiting = before === undefined ? [] : restartNeeded(before, current);
      log.info({ path }, 'configuration taken up');
      if (waiting.length > 0) log.warn({ path, fields: waiting }, 'these settings need a restart of the agent');
      onChange();
    },
    onRefused: (error) => {
      refuse(error);
      log.error({ path, error }, 'configuration refused; the last good one stays in force');
      onRefused(error);
    },
  });
  const { beginning } = watch;
  const acceptedAtMs = recalled?.acceptedAtMs ?? clock.nowMs();
  const first = accept(beginning.config, acceptedAtMs);
  current ??= first;
  if ('refused' in beginning) refuse(beginning.refused);
  const text = 'refused' in beginning ? recalled?.text : beginning.text;
  const { stateDirectory } = first;
  const inForceAtMs = recalled?.inForceAtMs;
  // Whatever is done by it, the next life goes by it too.
  if (text !== undefined) await keeper.keep({ stateDirectory, text, acceptedAtMs, inForceAtMs });
  const ended = async (): Promise<void> => {
    await Promise.all([watch.ended, keeper.run(signal)]);
  };
  return {
    current: () => current ?? first,
    refused: () => refusal,
    lookNow: watch.lookNow,
    ended: ended(),
  };
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
