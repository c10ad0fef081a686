import type { Clock } from '../../clock.ts';
import { stateLabel } from '../../cluster/names.ts';
import type { NodeView } from '../../cluster/node.ts';
import type { State } from '../../reboot/state.ts';

/** Somebody may take it away as often as we put it there. */
const everyMs = 60_000;

/** Others list nodes by the label of their state: one that a person has changed is to be written anew. */
export class LabelGuard {
  readonly #clock: Clock;
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the label on `node` is to be made that of `state` now; whoever asks does so then. */
  isDue({ phase, nodeUid }: State, node: NodeView): boolean {
    const expected = phase === 'idle' ? undefined : phase;
    if (node.uid !== nodeUid || node.labels.get(stateLabel) === expected) return false;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#writtenAtMs < everyMs) return false;
    this.#writtenAtMs = nowMs;
    return true;
  }
}
