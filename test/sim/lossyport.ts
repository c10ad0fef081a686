import type { Clock } from '../../agent/clock.ts';
import { ClusterError } from '../../agent/cluster/errors.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import type { Chance } from './random.ts';

export interface Losses {
  /** Of requests that never arrive. */
  readonly lost: number;
  /** Of answers that never arrive: what was asked for is done. */
  readonly unanswered: number;
  /** Of writes that are done only after their caller has given up. */
  readonly late: number;
}

const slowestMs = 400;
const givenUpAfterMs = 5_000;
const latestMs = 20_000;

export interface LossyPortOptions {
  readonly losses: () => Losses;
  readonly chance: Chance;
  readonly clock: Clock;
  /** Of the agent: once it is over nothing more is sent, and nobody is there to be answered. */
  readonly life: AbortSignal;
}

type Calls = Pick<KubernetesPort, 'get' | 'list' | 'create' | 'patch'>;

/** A network between one agent and its API server that delays, loses and repeats nothing. Watches come through. */
export function lossyPort(port: KubernetesPort, options: LossyPortOptions): KubernetesPort {
  const { losses, chance, clock, life } = options;
  const pause = async (): Promise<void> => await clock.sleep(chance.between(1, slowestMs));

  async function carry<T>(isWrite: boolean, call: () => Promise<T>): Promise<T> {
    const { lost, unanswered, late } = losses();
    await pause();
    await diedHere();
    if (chance.hits(lost)) return await giveUp();
    if (isWrite && chance.hits(late)) {
      void later(call);
      return await giveUp();
    }
    const answer = await call();
    if (chance.hits(unanswered)) return await giveUp();
    await pause();
    await diedHere();
    return answer;
  }

  async function diedHere(): Promise<void> {
    if (life.aborted) await new Promise(() => undefined);
  }

  async function giveUp(): Promise<never> {
    await clock.sleep(givenUpAfterMs);
    await diedHere();
    throw new ClusterError('cluster/timeout', 'no answer');
  }

  async function later(call: () => Promise<unknown>): Promise<void> {
    await clock.sleep(chance.between(1, latestMs));
    // Refused or not, nobody is told.
    await call().catch(() => undefined);
  }

  const carried: Calls = {
    get: async (resource, target) => await carry(false, () => port.get(resource, target)),
    list: async (resource, scope, project) => await carry(false, () => port.list(resource, scope, project)),
    create: async (resource, namespace, object) => await carry(true, () => port.create(resource, namespace, object)),
    patch: async (resource, target, patch) => await carry(true, () => port.patch(resource, target, patch)),
  };
  return {
    ...carried,
    watch: (...args) => port.watch(...args),
    replace: (...args) => port.replace(...args),
    delete: (...args) => port.delete(...args),
    evict: (...args) => port.evict(...args),
    lastHeardMs: () => port.lastHeardMs(),
    close: () => port.close(),
  };
}
