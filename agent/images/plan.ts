import type { ImageRecord } from './inventory.ts';

/** Why an image stays. In the order in which they are asked: the first that holds is the reason given. */
export type KeepCode =
  | 'unknown-use'
  | 'in-use'
  | 'pinned'
  | 'system'
  | 'keep-rule'
  | 'preloaded'
  | 'newest-tag'
  | 'just-appeared'
  | 'nameless-recently'
  | 'not-selected'
  | 'used-recently'
  | 'backing-off'
  | 'under-watermark'
  | 'over-budget';

/** Why an image goes. */
export type RemoveCode = 'requested' | 'remove-rule' | 'unused' | 'orphan';

export type Verdict = 'keep' | 'remove';

interface DecisionOf<V extends Verdict, C> {
  readonly image: ImageRecord;
  readonly verdict: V;
  readonly code: C;
  /** One sentence for a person: "container web-7f of pod shop/web uses it". No verdict word, no final full stop. */
  readonly reason: string;
}

export type KeepDecision = DecisionOf<'keep', KeepCode>;
export type RemoveDecision = DecisionOf<'remove', RemoveCode>;
export type Decision = KeepDecision | RemoveDecision;

/** One decision per image of the inventory; those to remove in the order in which they go. */
export interface Plan {
  readonly plannedAtMs: number;
  readonly keep: readonly KeepDecision[];
  readonly remove: readonly RemoveDecision[];
}
