import type { Clock } from '../../../agent/clock.ts';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import type { CallOptions, KubernetesPort } from '../../../agent/cluster/port.ts';
import type { Transport } from '../../../agent/cluster/transport.ts';
import type { Chance } from '../random.ts';
import { type Counts, count } from './tally.ts';

/** Probabilities, of each request or event. */
export interface Weather {
  /** It never arrives. */
  readonly lost: number;
  /** The answer never arrives: what was asked for is done. */
  readonly unanswered: number;
  /** A write is done only after its caller has given up. */
  readonly late: number;
  /** The agent dies: before its request leaves, or before it has the answer. */
  readonly crash: number;
  /** An event of a watch comes seconds after it happened; and those behind it. */
  readonly slow: number;
  /** An event of a watch comes twice. */
  readonly twice: number;
}

export const rough: Weather = { lost: 0.03, unanswered: 0.04, late: 0.03, crash: 0.006, slow: 0.1, twice: 0.1 };
export const fair: Weather = { lost: 0, unanswered: 0, late: 0, crash: 0, slow: 0, twice: 0 };

/** `cut`: refused at once; `silent`: nothing arrives; `deaf`: what is sent arrives, and no answer comes back. */
export type Partition = 'cut' | 'silent' | 'deaf';

/** One life of an agent. */
export interface Life {
  readonly signal: AbortSignal;
  /** Ends it without a word, as by SIGKILL. */
  die(where: string): void;
}

/** In whose name something is done just now; undefined: in that of a person or a controller. */
export interface Author {
  current: { readonly machine: string; readonly life: Life; readonly isLate: boolean } | undefined;
}

export interface NetworkOptions {
  readonly machine: string;
  readonly author: Author;
  readonly faults: Counts;
  readonly chance: Chance;
  readonly clock: Clock;
}

/** The user of the API server that agents are. */
export const agentUser = 'agent';

const slowestMs = 400;
const givenUpAfterMs = 10_000;
const latestMs = 20_000;
const slowestEventMs = 4_000;

/** What lies between one machine and the API server. */
export class Network {
  weather: Weather = rough;
  /** Requests that agents have sent. */
  sent = 0;
  readonly #options: NetworkOptions;
  #partition: { readonly kind: Partition; readonly healed: Promise<void>; readonly heal: () => void } | undefined;
  #cuts = 0;
  #aloneSinceMs = 0;
  #lateCalls = 0;
  #wholeSinceMs = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  get isWhole(): boolean {
    return this.#partition === undefined;
  }

  /** Monotonic; undefined while it is not. */
  get wholeSinceMs(): number | undefined {
    return this.isWhole ? this.#wholeSinceMs : undefined;
  }

  part(kind: Partition): void {
    this.heal();
    const { promise: healed, resolve: heal } = Promise.withResolvers<void>();
    this.#partition = { kind, healed, heal };
    this.#aloneSinceMs = this.#options.clock.monotonicMs();
    if (kind === 'cut') this.#cuts += 1;
  }

  heal(): void {
    if (this.#partition === undefined) return;
    this.#partition.heal();
    this.#partition = undefined;
    this.#wholeSinceMs = this.#options.clock.monotonicMs();
  }

  /** As the agent of one life has it. */
  port(through: KubernetesPort, life: Life): KubernetesPort {
    const read = async <T>(what: string, options: CallOptions | undefined, call: () => Promise<T>): Promise<T> =>
      await this.#carry(life, what, false, options, call);
    const write = async <T>(what: string, options: CallOptions | undefined, call: () => Promise<T>): Promise<T> =>
      await this.#carry(life, what, true, options, call);
    return {
      get: async (resource, target, options) =>
        await read(`get ${resource.plural}`, options, () => through.get(resource, target)),
      list: async (resource, scope, project, options) =>
        await read(`list ${resource.plural}`, options, () => through.list(resource, scope, project)),
      create: async (resource, namespace, object, options) =>
        await write(`create ${resource.plural}`, options, () => through.create(resource, namespace, object)),
      patch: async (resource, target, patch, options) =>
        await write(`patch ${resource.plural}`, options, () => through.patch(resource, target, patch)),
      replace: async (resource, object, options) =>
        await write(`replace ${resource.plural}`, options, () => through.replace(resource, object)),
      delete: async (resource, target, options) =>
        await write(`delete ${resource.plural}`, options, () => through.delete(resource, target, options)),
      evict: async (pod, options) =>
        await write(options?.dryRun === true ? 'try eviction' : 'evict', options, () => through.evict(pod, options)),
      watch: (...call) => this.#watch(through.watch(...call), life, call[3]?.signal),
      lastHeardMs: () => (this.isWhole ? through.lastHeardMs() : this.#aloneSinceMs),
      close: () => undefined,
    };
  }

  /** For a client whose requests leave long after they were asked for: then it is told from whom they are. */
  signed(transport: Transport, life: Life): Transport {
    return {
      send: async (...request) => await this.#as(life, this.#lateCalls > 0, () => transport.send(...request)),
      lastHeardMs: () => transport.lastHeardMs(),
      forget: () => transport.forget(),
      close: () => transport.close(),
    };
  }

  /** An effect outside of the API server's reach: before and after it the agent may die. */
  async beside<T>(life: Life, what: string, call: () => Promise<T>): Promise<T> {
    await this.#mayDie(life, `before ${what}`);
    const answer = await this.#as(life, false, call);
    await this.#mayDie(life, `after ${what}`);
    return answer;
  }

  async #carry<T>(
    life: Life,
    what: string,
    isWrite: boolean,
    options: CallOptions = {},
    call: () => Promise<T>,
  ): Promise<T> {
    const { chance, faults } = this.#options;
    const { lost, unanswered, late } = this.weather;
    this.sent += 1;
    await this.#pause();
    await this.#mayDie(life, `before ${what}`);
    if (this.#partition?.kind === 'cut') throw refused();
    if (this.#partition?.kind === 'silent') return await this.#giveUp(life, options);
    if (chance.hits(lost)) {
      count(faults, 'request lost');
      return await this.#giveUp(life, options);
    }
    if (isWrite && chance.hits(late)) {
      count(faults, 'write done late');
      void this.#later(life, call);
      return await this.#giveUp(life, options);
    }
    const answer = await this.#as(life, false, call);
    await this.#mayDie(life, `after ${what}`);
    if (this.#partition !== undefined) return await this.#giveUp(life, options);
    if (chance.hits(unanswered)) {
      count(faults, 'answer lost');
      return await this.#giveUp(life, options);
    }
    if (chance.hits(0.5)) await this.#pause();
    await this.#mustLive(life);
    if (options.signal?.aborted === true) throw cancelled();
    return answer;
  }

  async *#watch<E extends { readonly type: string }>(
    events: AsyncIterable<E>,
    life: Life,
    signal: AbortSignal | undefined,
  ): AsyncIterable<E> {
    const { chance, clock, faults } = this.#options;
    this.sent += 1;
    const cuts = this.#cuts;
    if (this.#partition?.kind === 'cut') throw refused();
    for await (const event of events) {
      // What is sent over a broken line arrives when it is mended, or never.
      if (this.#partition !== undefined) await this.#partition.healed;
      await this.#mustLive(life);
      if (this.#cuts !== cuts) throw refused();
      if (chance.hits(this.weather.slow)) {
        count(faults, 'event delayed');
        await clock.sleep(chance.between(1, slowestEventMs), signal);
      }
      yield event;
      if ('object' in event && chance.hits(this.weather.twice)) {
        count(faults, 'event repeated');
        yield event;
      }
    }
  }

  async #pause(): Promise<void> {
    await this.#options.clock.sleep(this.#options.chance.between(1, slowestMs));
  }

  async #giveUp(life: Life, { signal, deadlineMs = givenUpAfterMs }: CallOptions): Promise<never> {
    await this.#options.clock.sleep(Math.min(deadlineMs, givenUpAfterMs), signal);
    await this.#mustLive(life);
    throw signal?.aborted === true ? cancelled() : new ClusterError('cluster/timeout', 'no answer');
  }

  async #later(life: Life, call: () => Promise<unknown>): Promise<void> {
    const { clock, chance } = this.#options;
    await clock.sleep(chance.between(1, latestMs));
    this.#lateCalls += 1;
    // Refused or not, nobody is told.
    await this.#as(life, true, call).catch(() => undefined);
    this.#lateCalls -= 1;
  }

  async #mayDie(life: Life, where: string): Promise<void> {
    if (!life.signal.aborted && this.#options.chance.hits(this.weather.crash)) {
      count(this.#options.faults, `crash ${where}`);
      life.die(where);
    }
    await this.#mustLive(life);
  }

  async #mustLive({ signal }: Life): Promise<void> {
    if (signal.aborted) await new Promise(() => undefined);
  }

  /** Whoever looks at what `call` does at once, sees who does it. */
  #as<T>(life: Life, isLate: boolean, call: () => Promise<T>): Promise<T> {
    const { author, machine } = this.#options;
    author.current = { machine, life, isLate };
    try {
      return call();
    } finally {
      author.current = undefined;
    }
  }
}

function refused(): ClusterError {
  return new ClusterError('cluster/unavailable', 'no connection', { notApplied: true });
}

function cancelled(): ClusterError {
  return new ClusterError('cluster/cancelled', 'cancelled by its caller');
}
