import { type LabelSelector, parseLabelSelector, selectorMatches } from '../../node/selectors.ts';

/** How many nodes of a pool may be away at once; 0 pauses the pool. */
export type Concurrency = { readonly count: number } | { readonly percent: number };

export interface Pool {
  readonly name: string;
  /** A node belongs to it when one of them matches; without any, every node does. */
  readonly selectors: readonly LabelSelector[];
  readonly concurrency: Concurrency;
}

export interface Pools {
  /** The first that matches a node has it. The last matches every node. */
  readonly list: readonly [...Pool[], Pool];
  /** How many slots of all pools together may be held; undefined: as many as the pools have. */
  readonly cap: number | undefined;
}

/** Reserved: no configured pool may be named so. */
export const controlPlanePool = 'control-plane';
export const defaultPool = 'default';

/** The second is what clusters older than Kubernetes 1.24 carry. */
const controlPlaneNodes = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'].map((label) =>
  parseLabelSelector(label),
);

/**
 * The pools in force. Control-plane nodes are always a pool of their own, or a roll over workers could take two members of
 * etcd's quorum; nodes that no configured pool matches go one at a time.
 */
export function poolsOf(configured: readonly Pool[], cap?: number): Pools {
  const controlPlane: Pool = {
    name: controlPlanePool,
    selectors: controlPlaneNodes,
    concurrency: { count: 1 },
  };
  const rest: Pool = { name: defaultPool, selectors: [], concurrency: { count: 1 } };
  return { list: [controlPlane, ...configured, rest], cap: cap ?? (configured.length === 0 ? 1 : undefined) };
}

export function poolOf({ list }: Pools, labels: ReadonlyMap<string, string>): Pool {
  const matches = ({ selectors }: Pool): boolean =>
    selectors.length === 0 || selectors.some((selector) => selectorMatches(selector, labels));
  return list.find(matches) ?? list[list.length - 1] ?? list[0];
}

/** Slots of a pool of so many nodes. A percentage is rounded down, and gives at least one slot unless it is 0. */
export function slotsOf({ concurrency }: Pool, poolSize: number): number {
  if ('count' in concurrency) return Math.max(0, Math.floor(concurrency.count));
  if (!(concurrency.percent > 0)) return 0;
  return Math.max(1, Math.floor((poolSize * concurrency.percent) / 100));
}
