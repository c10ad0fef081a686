import { nodeAnnotations } from '../../cluster/names.ts';
import { type NodeView, viewOfNode } from '../../cluster/node.ts';
import type { NodeObject } from '../../cluster/objects.ts';
import type { Clock } from '../../clock.ts';

/** A watch that has not shown our write by then shows something later. */
const patienceMs = 30_000;

/** The Node as the machine must see it: never older than our own last write, which the watch may have yet to show. */
export class OwnNodeView {
  readonly #watched: () => NodeView | undefined;
  readonly #clock: Clock;
  #written: { readonly view: NodeView; readonly before: string | undefined; readonly atMs: number } | undefined;

  constructor(watched: () => NodeView | undefined, clock: Clock) {
    this.#watched = watched;
    this.#clock = clock;
  }

  get current(): NodeView | undefined {
    const watched = this.#watched();
    if (this.#written === undefined || watched === undefined) return watched;
    const { view, before, atMs } = this.#written;
    const isCaughtUp = watched.uid !== view.uid || recordOn(watched) !== before;
    if (!isCaughtUp && this.#clock.monotonicMs() - atMs < patienceMs) return view;
    this.#written = undefined;
    return watched;
  }

  /** The answer to a write of ours, or to a read. */
  learn(object: NodeObject): NodeView {
    const view = viewOfNode(object);
    const watched = this.#watched();
    const before = watched === undefined ? undefined : recordOn(watched);
    if (before !== recordOn(view)) this.#written = { view, before, atMs: this.#clock.monotonicMs() };
    return view;
  }
}

/** The annotation as it stands there. */
export function recordOn({ annotations }: NodeView): string | undefined {
  return annotations.get(nodeAnnotations.rebootStatus);
}
