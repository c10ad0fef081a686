import type { Clock } from '../../clock.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { labelsOfNode } from './nodelists.ts';
import { poolOf, type Pools } from './pools.ts';
import type { Slot } from './slot.ts';

type Labels = ReadonlyMap<string, string>;

/** Nothing tells when labels of other nodes change. */
const REMEMBERED_MS = 10 * 60_000;

/**
 * Held slots of one pool whose nodes are of another: pools were configured, or a node was given another label, while it was away.
 * It is the node that a pool can spare or not, whatever its slot is called.
 */
export class Strays {
  readonly #port: Pick<KubernetesPort, 'list'>;
  readonly #clock: Clock;
  /** By the name of the Lease, for as long as that is as it was: the labels of its holder. */
  readonly #holders = new Map<string, { readonly resourceVersion: string; readonly asOfMs: number; labels: Labels }>();

  constructor(port: Pick<KubernetesPort, 'list'>, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  /**
   * Looks at the nodes that hold slots of other pools, one after the other: there are as many as may be away. At those that are
   * remembered only where it is to be `anew`. Throws ClusterError.
   */
  async look(
    listed: readonly Slot[],
    { pool, anew }: { readonly pool: string; readonly anew: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const names = new Set(listed.map(({ name }) => name));
    for (const name of this.#holders.keys()) if (!names.has(name)) this.#holders.delete(name);
    for (const slot of listed) {
      const node = slot.holder?.node ?? '';
      if (node === '' || slot.pool === pool || (!anew && this.#labelsOf(slot) !== undefined)) continue;
      const asOfMs = this.#clock.monotonicMs();
      const labels = await labelsOfNode(this.#port, node, signal);
      // With a Node that is gone its Lease goes, too.
      if (labels === undefined) this.#holders.delete(slot.name);
      else this.#holders.set(slot.name, { resourceVersion: slot.resourceVersion, asOfMs, labels });
    }
  }

  /** As one of `pool`, where its holder is known to be. */
  counted<S extends Slot>(slot: S, pool: string, pools: Pools): S {
    const labels = slot.holder && this.#labelsOf(slot);
    return labels !== undefined && poolOf(pools, labels).name === pool ? { ...slot, pool } : slot;
  }

  #labelsOf({ name, resourceVersion }: Slot): Labels | undefined {
    const known = this.#holders.get(name);
    if (known?.resourceVersion !== resourceVersion) return undefined;
    return this.#clock.monotonicMs() - known.asOfMs < REMEMBERED_MS ? known.labels : undefined;
  }
}
