import type { Slot } from './slot.ts';

/** How many slots may be held, seen by a node of one pool. */
export interface Limits {
  readonly pool: string;
  /** Slots of the pool. */
  readonly slots: number;
  readonly cap: number | undefined;
  /** The names of all pools that the configuration has. */
  readonly pools: ReadonlySet<string>;
}

/** `slots` is what is over: nobody could take one more. */
export type Shortage =
  | { readonly code: 'paused' }
  | { readonly code: 'pool-full' | 'cap-reached'; readonly holders: readonly Slot[] };

/** Why no further slot can be had, where that is so. */
export function shortage(listed: readonly Slot[], limits: Limits): Shortage | undefined {
  if (limits.slots === 0) return { code: 'paused' };
  return excess(listed, {
    ...limits,
    slots: limits.slots - 1,
    cap: limits.cap === undefined ? undefined : limits.cap - 1,
  });
}

/**
 * Why a slot that was just taken must be given back, where that is so: with it more are held than may be. Slots beyond the
 * pool's number count too, as they are still held after that number was lowered; and so do those of pools that we do not know,
 * as the nodes that hold them may be ours under the name that the pool had before.
 */
export function excess(listed: readonly Slot[], { pool, slots, cap, pools }: Limits): Shortage | undefined {
  const held = listed.filter(({ holder }) => holder !== undefined);
  const holders = held.filter((slot) => slot.pool === pool || !pools.has(slot.pool));
  if (holders.length > slots) return { code: 'pool-full', holders };
  if (cap !== undefined && held.length > cap) return { code: 'cap-reached', holders: held };
  return undefined;
}
