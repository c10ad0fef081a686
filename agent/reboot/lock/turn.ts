import type { SeenSlot } from './slotbook.ts';

/** When a waiting node may try to take a free slot. Times are monotonic. */
export interface Turn {
  readonly slot: string;
  readonly atMs: number;
}

/** Since there has been room for one more holder. */
export interface Opening {
  readonly sinceMs: number;
  /** There was room when we first looked: nobody has just given it back. */
  readonly wasThere: boolean;
  /** In [0, 1), drawn once for each opening. */
  readonly draw: number;
}

/** Those named after the first try one after the other, a request and an event apart, should it not be there. */
const stepMs = 1_000;
/** By then whoever was named has tried. */
const graceMs = 4_000;
/**
 * Those not named, or without a hint, draw a moment from so long a time that few try before they see the slot taken:
 * a thousand nodes in 50 s are one every 50 ms.
 */
const spreadPerNodeMs = 50;
const spreadMs = { least: 1_000, unknown: 10_000, most: 60_000 };

/**
 * Of the pool's slots, named `names`, the free one that this node may try first. `all` are the Leases of every pool: under a cap
 * for the cluster one pool hands on to another.
 */
export function turnOf(
  node: string,
  names: readonly string[],
  all: readonly SeenSlot[],
  opening: Opening,
): Turn | undefined {
  const leases = new Map(all.map((slot) => [slot.name, slot]));
  const free = names.filter((name) => leases.get(name)?.holder === undefined);
  const [any] = free;
  if (any === undefined) return undefined;
  const turns = [unnamedTurn(any, all, opening)];
  for (const { name, hint, seenAtMs } of all) {
    const place = hint?.nodes.indexOf(node) ?? -1;
    if (place === -1) continue;
    turns.push({ slot: free.includes(name) ? name : any, atMs: Math.max(seenAtMs, opening.sinceMs) + place * stepMs });
  }
  return turns.reduce((first, turn) => (turn.atMs < first.atMs ? turn : first));
}

function unnamedTurn(slot: string, all: readonly SeenSlot[], { sinceMs, wasThere, draw }: Opening): Turn {
  // What was written long ago says nothing about how many wait now.
  if (wasThere) return { slot, atMs: sinceMs + draw * spreadMs.unknown };
  const waiting = all.flatMap(({ hint }) => (hint === undefined ? [] : [hint.waiting]));
  const spread = waiting.length === 0 ? spreadMs.unknown : Math.max(...waiting) * spreadPerNodeMs;
  const drawn = draw * Math.min(spreadMs.most, Math.max(spreadMs.least, spread));
  return { slot, atMs: sinceMs + graceMs + drawn };
}
