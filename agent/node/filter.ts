import { nodeAnnotations } from '../cluster/names.ts';
import { type LabelSelector, selectorMatches } from './selectors.ts';

/** Which nodes are cleaned. */
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

/** Undefined where the node is cleaned. */
export function whySkipped({ labels, annotations }: FilteredNode, filter: NodeFilter): NodeSkip | undefined {
  if (labels.get('kubernetes.io/os') === 'windows') return 'windows';
  if (virtualNodes.some(([key, value]) => labels.get(key) === value)) return 'virtual';
  const isNamed = filter.selectors.some((selector) => selectorMatches(selector, labels));
  if (isNamed !== (filter.type === 'include')) return 'filtered';
  return annotations.has(nodeAnnotations.hold) ? 'held' : undefined;
}
