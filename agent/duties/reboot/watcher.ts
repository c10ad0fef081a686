import type { DrainOutcome } from '../../reboot/drain/drain.ts';
import type { EvictionResult } from '../../reboot/drain/eviction.ts';
import type { HeldSlot } from '../../reboot/lock/holders.ts';
import type { Reason, State } from '../../reboot/state.ts';

/** Told of all that happens on the way of a reboot; must neither wait nor throw. The metrics are one. */
export interface RebootWatcher {
  /** After each step: what is in force, what was before it, and why the machine is where it is. */
  stepped(before: State, after: State, reason: Reason): void;
  drainEnded(outcome: DrainOutcome['status'], durationMs: number): void;
  evictionAnswered(result: EvictionResult): void;
  /** Whether the host would let a reboot through. */
  rebootPossible(possible: boolean): void;
  /** Every held slot as far as they are followed; undefined: they are not. */
  slotsSeen(held: readonly HeldSlot[] | undefined): void;
}
