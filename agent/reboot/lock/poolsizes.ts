import type { Clock } from '../../clock.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { countPools } from './nodelists.ts';
import { poolOf, type Pools } from './pools.ts';

/** The size of a pool changes seldom, and only a percentage depends on it: a list of all nodes that is rarely worth its price. */
export class PoolSizes {
  readonly #port: Pick<KubernetesPort, 'list'>;
  readonly #clock: Clock;
  #asOfMs: number | undefined;
  #sizes: ReadonlyMap<string, number> = new Map();

  constructor(port: Pick<KubernetesPort, 'list'>, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  /** Undefined while it is not known. */
  of(pool: string): number | undefined {
    return this.#sizes.get(pool);
  }

  all(): ReadonlyMap<string, number> {
    return this.#sizes;
  }

  /** Counts where the slots of a node with these labels depend on it, and what is known is older than that. Throws ClusterError. */
  async learn(
    pools: Pools,
    labels: ReadonlyMap<string, string>,
    { maxAgeMs, signal }: { readonly maxAgeMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const isKnown = this.#asOfMs !== undefined && nowMs - this.#asOfMs < maxAgeMs;
    if (isKnown || !('percent' in poolOf(pools, labels).concurrency)) return;
    // Where it fails, it is not tried again at once.
    this.#asOfMs = nowMs;
    this.#sizes = await countPools(this.#port, pools, signal);
  }
}
