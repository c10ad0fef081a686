import { nodeAnnotations } from '../cluster/names.ts';
import { type LabelSelector, selectorMatches } from './selectors.ts';

/** Which nodes are cleaned: `cluster.nodeFilter` of the configuration. */
export interface NodeFilter {
  /** `exclude`: all but those that a selector matches; `include`: those alone. */
  readonly type: 'exclude' | 'include';
  readonly selectors: readonly LabelSelector[];
}

/** Why an ImageList is not run on a node. */
export type NodeSkip = 'filtered' | 'held' | 'windows' | 'virtual';

/** What is asked of a node. Annotations are ours alone, by their names after the prefix. */
export interface FilteredNode {
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

/**
 * Nodes without a machine of ours behind them, by the labels that they carry: virtual-kubelet's (which AKS's virtual nodes
 * are) and EKS Fargate's. No DaemonSet's pod runs there, so nobody would ever report.
 */
const virtualNodes: readonly (readonly [string, string])[] = [
  ['type', 'virtual-kubelet'],
  ['eks.amazonaws.com/compute-type', 'fargate'],
];

/** Why the filter leaves a node with these labels out, for a person; undefined where it does not. */
export function whyLeftOut(labels: ReadonlyMap<string, string>, { type, selectors }: NodeFilter): string | undefined {
  const fitting = selectors.find((selector) => selectorMatches(selector, labels));
  if (type === 'exclude') return fitting && `it is selected by ${JSON.stringify(fitting.text)}`;
  return fitting === undefined ? 'none of its selectors fits, and it includes those alone that one fits' : undefined;
}

/** Undefined where an ImageList is run on the node. */
export function whySkipped({ labels, annotations }: FilteredNode, filter: NodeFilter): NodeSkip | undefined {
  if (labels.get('kubernetes.io/os') === 'windows') return 'windows';
  if (virtualNodes.some(([key, value]) => labels.get(key) === value)) return 'virtual';
  if (whyLeftOut(labels, filter) !== undefined) return 'filtered';
  return annotations.has(nodeAnnotations.hold) ? 'held' : undefined;
}
