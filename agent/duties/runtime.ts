import { backoffMs } from '../backoff.ts';
import type { Clock, Random } from '../clock.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import type { NodetenderError } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { countingErrors } from '../observe/port.ts';
import type { Readiness } from '../observe/readiness.ts';
import type { RuntimePort } from '../runtime/port.ts';

export interface Reached extends RuntimePort {
  readonly endpoint: string;
}

export interface ReachOptions {
  /** Finds the socket and opens the channel; `onHealth` is told when the runtime goes away (why) and comes back (undefined). */
  readonly connect: (onHealth: (problem: NodetenderError | undefined) => void) => Promise<Reached>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
}

const RETRY = { firstMs: 1_000, longestMs: 60_000 };
const OBSTACLE = 'container runtime';

/** Waits until the container runtime answers. Undefined when `signal` aborted first; rejects where the endpoint is none. */
export async function reachRuntime(options: ReachOptions, signal: AbortSignal): Promise<RuntimePort | undefined> {
  const { connect, clock, random, log, metrics, readiness } = options;
  let channel: Reached | undefined;
  let said: string | undefined;
  const onHealth = (problem: NodetenderError | undefined): void => {
    metrics.runtimeUp(problem === undefined);
    const isNews = readiness.set(OBSTACLE, problem?.message);
    if (problem !== undefined && channel !== undefined && isNews)
      log.warn({ error: problem }, 'container runtime is away');
    if (problem === undefined && isNews) void identify();
  };
  const identify = async (): Promise<void> => {
    try {
      const version = await channel?.version(signal);
      if (version === undefined) return;
      metrics.runtimeKnown(version);
      log.info({ endpoint: channel?.endpoint, runtime: version.name, version: version.version }, 'container runtime');
    } catch (error) {
      // It went away again; the next answer identifies it.
      log.debug({ error }, 'container runtime did not say its version');
    }
  };
  readiness.set(OBSTACLE, 'not reached yet');
  for (let failures = 1; !signal.aborted; failures += 1) {
    try {
      channel ??= await connect(onHealth);
      await channel.version(signal);
      return countingErrors(channel, (code) => metrics.runtimeError(code));
    } catch (error) {
      // No waiting makes a socket of it.
      if (isNodetenderError(error, 'usage')) throw error;
      metrics.runtimeUp(false);
      readiness.set(OBSTACLE, messageOf(error));
      // Once for each kind of trouble: it may last for hours.
      if (messageOf(error) !== said && !signal.aborted)
        log.warn({ error }, 'container runtime not reached; trying again');
      said = messageOf(error);
      await clock.sleep(backoffMs(RETRY, failures, random), signal);
    }
  }
  channel?.close();
  return undefined;
}
