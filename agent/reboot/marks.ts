import type { Mark } from './state.ts';

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

/** What of a Node carries marks. */
export interface MarkedNode {
  readonly taints: readonly Taint[];
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

/** Parts of a merge patch of the Node; null removes. */
export interface MarksPatch {
  /** The whole list, as merge patches have it; undefined: unchanged. */
  readonly taints: readonly Taint[] | undefined;
  readonly labels: Readonly<Record<string, string | null>>;
  readonly annotations: Readonly<Record<string, string | null>>;
}

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-exclude-from-external-load-balancers */
const LOAD_BALANCER_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
/** https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md */
const SCALE_DOWN_ANNOTATION = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';
const SOFT = 'PreferNoSchedule';

/** The marks that are on the Node, whoever put them there. */
export function marksOn({ taints, labels, annotations }: MarkedNode, taintKey: string | undefined): Mark[] {
  const present: Record<Mark, boolean> = {
    'prefer-no-schedule': taints.some((taint) => taint.key === taintKey && taint.effect === SOFT),
    // Its presence counts, whatever its value.
    'load-balancers': labels.has(LOAD_BALANCER_LABEL),
    'scale-down': annotations.get(SCALE_DOWN_ANNOTATION) === 'true',
  };
  return (Object.keys(present) as Mark[]).filter((mark) => present[mark]);
}

/** What puts `add` on the Node and takes `remove` off it; marks that are so already change nothing. */
export function marksPatch(
  node: MarkedNode,
  { add, remove }: { add: readonly Mark[]; remove: readonly Mark[] },
  taintKey: string | undefined,
): MarksPatch {
  const present = marksOn(node, taintKey);
  const added = new Set(add.filter((mark) => !present.includes(mark)));
  const removed = new Set(remove.filter((mark) => present.includes(mark)));
  const change = (mark: Mark, key: string): Record<string, string | null> => {
    if (added.has(mark)) return { [key]: 'true' };
    return removed.has(mark) ? { [key]: null } : {};
  };
  return {
    taints: taintsAfter(node.taints, taintKey, added.has('prefer-no-schedule'), removed.has('prefer-no-schedule')),
    labels: change('load-balancers', LOAD_BALANCER_LABEL),
    annotations: change('scale-down', SCALE_DOWN_ANNOTATION),
  };
}

function taintsAfter(
  taints: readonly Taint[],
  key: string | undefined,
  isAdded: boolean,
  isRemoved: boolean,
): readonly Taint[] | undefined {
  if (key === undefined) return undefined;
  if (isAdded) return [...taints, { key, effect: SOFT }];
  return isRemoved ? taints.filter((taint) => taint.key !== key || taint.effect !== SOFT) : undefined;
}
