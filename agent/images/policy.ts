import type { Inventory } from './inventory.ts';
import type { Plan } from './plan.ts';
import type { RepositoryPattern, Rule } from './rules.ts';

/** What may go and what must stay. Times in milliseconds, sizes in bytes. */
export interface Policy {
  /** An image must have been out of use for at least this long. Remove rules and requests waive it. */
  readonly minUnusedMs: number;
  /** Nothing goes that was first seen less than this ago, whoever asks: a pull is seen before its container. */
  readonly floorMs: number;
  /** False: only what a remove rule or a request names, and orphans. */
  readonly removeUnused: boolean;
  readonly keep: readonly Rule[];
  readonly remove: readonly Rule[];
  /** A person's patterns: only what they match goes. Undefined when nobody asked for anything in particular. */
  readonly requested: readonly Rule[] | undefined;
  /** Keep what was there when the node was first looked at. */
  readonly keepPreloaded: boolean;
  readonly keepNewestTags: readonly { readonly repository: RepositoryPattern; readonly count: number }[];
  readonly keepSystemImages: boolean;
  /** Remove records without any name without waiting for `minUnusedMs`. */
  readonly removeOrphans: boolean;
  /** An image must have been seen nameless for at least this long: during removals images are so for a moment. */
  readonly orphanAfterMs: number;
  /** What one run may remove at most; undefined is unlimited. */
  readonly budget: { readonly images: number | undefined; readonly bytes: number | undefined };
}

export function plan(inventory: Inventory, _policy: Policy, nowMs: number): Plan {
  return {
    plannedAtMs: nowMs,
    keep: inventory.images.map((image) => ({ image, verdict: 'keep', code: 'not-selected', reason: 'not yet' })),
    remove: [],
  };
}
