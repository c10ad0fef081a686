import { Bell } from '../../agent/bell.ts';
import { systemClock } from '../../agent/clock.ts';
import { connectKubernetes } from '../../agent/cluster/connect.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { isNodetenderError } from '../../agent/errors.ts';
import { createLogger } from '../../agent/observe/log.ts';
import { RebootLock } from '../../agent/reboot/lock/lock.ts';
import { poolsOf } from '../../agent/reboot/lock/pools.ts';

/** Annotation: the node's place in the queue. */
export const queuedAt = 'bench/queued-at';
const pools = poolsOf([]);
const log = createLogger({ level: 'error' });

/** One agent's lock, on a connection of its own. */
export class Waiter {
  readonly name: string;
  readonly acquired: Promise<Waiter>;
  /** By performance.now(). */
  acquiredAtMs = 0;
  /** Writes that another one was faster with. */
  lostWrites = 0;
  readonly #port: KubernetesPort;
  readonly #lock: RebootLock;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #running: Promise<void>;
  readonly #wanted = Promise.withResolvers<void>();
  #slot = '';

  private constructor(name: string, uid: string, port: KubernetesPort) {
    this.name = name;
    this.#port = port;
    this.#lock = new RebootLock({
      port: this.#counting(),
      namespace: 'default',
      node: { name, uid },
      labels: () => new Map(),
      settings: () => ({ pools, staleAfterMs: undefined }),
      recordedSlot: () => undefined,
      queuedSince: ({ annotations }) => Number(annotations?.[queuedAt]),
      onChange: () => this.#bell.ring(),
      log,
      clock: systemClock,
      random: Math.random,
    });
    this.#running = this.#lock.run(this.#stop.signal);
    this.acquired = this.#acquire();
  }

  /** `kubeconfig` is a file's path. */
  static async start(kubeconfig: string, name: string, uid: string): Promise<Waiter> {
    const options = { path: kubeconfig, userAgent: 'nodetender/bench', clock: systemClock, random: Math.random };
    const waiter = new Waiter(name, uid, (await connectKubernetes(options)).port);
    while (waiter.#lock.facts() === undefined) await waiter.#bell.wait(waiter.#stop.signal);
    return waiter;
  }

  want(): void {
    this.#lock.queue();
    this.#wanted.resolve();
  }

  async confirm(): Promise<void> {
    await this.#lock.confirm(this.#slot, this.#stop.signal);
  }

  async release(): Promise<void> {
    await this.#lock.release(this.#slot, this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#port.close();
    await this.#running;
  }

  async #acquire(): Promise<Waiter> {
    await this.#wanted.promise;
    while (!this.#stop.signal.aborted) {
      const facts = this.#lock.facts();
      if (facts?.kind === 'none' && facts.turn) {
        const attempt = await this.#lock.acquire(this.#stop.signal);
        if (attempt.kind === 'acquired') {
          this.acquiredAtMs = performance.now();
          this.#slot = attempt.slot;
          return this;
        }
      } else await this.#bell.wait(this.#stop.signal);
    }
    return await new Promise(() => undefined);
  }

  #counting(): ConstructorParameters<typeof RebootLock>[0]['port'] {
    const port = this.#port;
    const counted = async <T>(write: Promise<T>): Promise<T> => {
      try {
        return await write;
      } catch (error) {
        if (isNodetenderError(error, 'cluster/conflict', 'cluster/already-exists')) this.lostWrites += 1;
        throw error;
      }
    };
    return {
      get: (...args) => port.get(...args),
      list: (...args) => port.list(...args),
      watch: (...args) => port.watch(...args),
      create: async (...args) => await counted(port.create(...args)),
      patch: async (...args) => await counted(port.patch(...args)),
      lastHeardMs: () => port.lastHeardMs(),
    };
  }
}
