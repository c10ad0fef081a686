import { nodeAnnotations } from '../../cluster/names.ts';
import { type NodeView, viewOfNode } from '../../cluster/node.ts';
import type { NodeObject } from '../../cluster/objects.ts';
import type { Clock } from '../../clock.ts';

/** A watch that has not shown our write by then shows something later. */
const patienceMs = 30_000;

interface Answer {
  readonly view: NodeView;
  /** What the watch showed then. */
  readonly before: NodeView;
  readonly atMs: number;
}

/**
 * The Node as the machine must see it: never older than the last answer of the API server to us, which the watch may have yet to
 * show. A watch that hangs would else have the machine decide for ever by what is no longer so.
 */
export class OwnNodeView {
  readonly #watched: () => NodeView | undefined;
  readonly #clock: Clock;
  #answer: Answer | undefined;

  constructor(watched: () => NodeView | undefined, clock: Clock) {
    this.#watched = watched;
    this.#clock = clock;
  }

  get current(): NodeView | undefined {
    const watched = this.#watched();
    if (this.#answer === undefined || watched === undefined) return watched;
    const { view, atMs } = this.#answer;
    if (!hasCaughtUp(watched, this.#answer) && this.#clock.monotonicMs() - atMs < patienceMs) return view;
    this.#answer = undefined;
    return watched;
  }

  /** As the watch has it; to be kept by whoever asks, until there is an answer. */
  get watched(): NodeView | undefined {
    return this.#watched();
  }

  /** The answer to a write or a read of ours, which was asked for when the watch showed `asked`. */
  learn(object: NodeObject, asked: NodeView | undefined): NodeView {
    const view = viewOfNode(object);
    const before = this.#watched();
    if (before === undefined) return view;
    // Versions have no order: what the watch has told since is taken for as new, unless it lacks what we have written.
    const isNews =
      before === asked ? before.resourceVersion !== view.resourceVersion : recordOn(before) !== recordOn(view);
    this.#answer = isNews ? { view, before, atMs: this.#clock.monotonicMs() } : undefined;
    return view;
  }
}

/** A watch tells everything in order: what it shows may be newer than before, and still older than the answer. */
function hasCaughtUp(watched: NodeView, { view, before }: Answer): boolean {
  if (watched === before) return false;
  if (before.uid !== view.uid) return watched.uid !== before.uid;
  return recordOn(before) === recordOn(view) || recordOn(watched) !== recordOn(before) || watched.uid !== before.uid;
}

/** The annotation as it stands there. */
export function recordOn({ annotations }: NodeView): string | undefined {
  return annotations.get(nodeAnnotations.rebootStatus);
}
