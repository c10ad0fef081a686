import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import type { LastClean } from '../cluster/records.ts';
import { summaryOf } from './nodesummary.ts';

/** How far a requested cleaning is on one node. */
export type CleanProgress =
  /** No agent has taken it up yet. */
  | { readonly state: 'requested' }
  /** It cannot start, or cannot go on, now. */
  | { readonly state: 'waiting'; readonly why: string }
  /** An agent has taken it up. */
  | { readonly state: 'cleaning' }
  /** The result is undefined where that of a later run has taken its place. */
  | { readonly state: 'done'; readonly result: LastClean | undefined }
  /** It will never be done. */
  | { readonly state: 'lost'; readonly why: string };

/** What the annotations of `node` say of the request with that value; undefined is a node that is gone. */
export function progressOf(request: string, node: NodeView | undefined): CleanProgress {
  if (node === undefined) return { state: 'lost', why: 'the node is gone' };
  const { lastClean, hold, status } = summaryOf(node);
  if (lastClean?.request === request) {
    // Later runs pass the value on.
    return { state: 'done', result: lastClean.trigger === 'annotation' ? lastClean : undefined };
  }
  const wanted = node.annotations.get(nodeAnnotations.clean);
  const taken = node.annotations.get(nodeAnnotations.cleanHandled) === request;
  if (!taken && wanted !== request) {
    const why = wanted === undefined ? 'the request was withdrawn' : 'a later request took its place';
    return { state: 'lost', why };
  }
  if (hold !== undefined) return { state: 'waiting', why: hold === '' ? 'held' : `held: ${hold}` };
  if (!node.annotations.has(nodeAnnotations.status)) return { state: 'waiting', why: 'no agent has reported there' };
  if (status !== undefined && status.waiting !== null) return { state: 'waiting', why: status.waiting };
  return { state: taken ? 'cleaning' : 'requested' };
}

/** Nothing more will come. */
export function isSettled({ state }: CleanProgress): boolean {
  return state === 'done' || state === 'lost';
}
