import { shortage } from './budget.ts';
import { type Hint, namedAtMost } from './hint.ts';
import { poolOf, type Pools, slotsOf } from './pools.ts';
import type { Slot } from './slot.ts';

/** A node that waits for a slot. */
export interface WaitingNode {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Its place in the queue: since when it needs a reboot, or since the end of its last back-off. Wall clock. */
  readonly queuedSinceMs: number;
}

/** The slots of each pool, by its name. */
export type SlotCounts = ReadonlyMap<string, number>;

/** The queue's head: the oldest need first, of one age by name. */
export function successors(waiting: readonly WaitingNode[], pools: Pools, poolsWithRoom: ReadonlySet<string>): Hint {
  const candidates = waiting
    .filter(({ labels }) => poolsWithRoom.has(poolOf(pools, labels).name))
    .sort((a, b) => a.queuedSinceMs - b.queuedSinceMs || (a.name < b.name ? -1 : 1));
  return { nodes: candidates.slice(0, namedAtMost).map(({ name }) => name), waiting: candidates.length };
}

/**
 * The pools that one more node may go in once this slot is given back, and could not before: its own, and where the cluster's
 * cap stood in the way, every pool with a slot left.
 */
export function roomAfter(
  released: Slot,
  listed: readonly Slot[],
  pools: Pools,
  counts: SlotCounts,
): ReadonlySet<string> {
  const names = new Set(pools.list.map(({ name }) => name));
  const after = listed.filter(({ name }) => name !== released.name);
  const isOpen = (slots: readonly Slot[], pool: string): boolean =>
    shortage(slots, { pool, slots: counts.get(pool) ?? 0, cap: pools.cap, pools: names }) === undefined;
  return new Set([...names].filter((pool) => isOpen(after, pool) && (pool === released.pool || !isOpen(listed, pool))));
}

/** Slots of every pool, for as many nodes as each has. */
export function slotCounts({ list }: Pools, sizes: ReadonlyMap<string, number>): SlotCounts {
  return new Map(list.map((pool) => [pool.name, slotsOf(pool, sizes.get(pool.name) ?? 0)]));
}
