import { parseLabelSelector, selectorMatches } from '../../node/selectors.ts';
import type { BudgetObject } from '../../cluster/objects.ts';
import { type DrainPod, isFinished, podName } from './pod.ts';

/** What a drain has to know of a PodDisruptionBudget. */
export interface Budget {
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  /** Whether it counts pods with these labels. */
  readonly counts: (labels: ReadonlyMap<string, string>) => boolean;
  /** The status below is of the spec as it is now. */
  readonly synced: boolean;
  /** Why the disruption controller cannot count its pods; undefined where it can. */
  readonly uncountable: string | undefined;
  readonly allowed: number;
  readonly expected: number;
  readonly healthy: number;
  readonly desiredHealthy: number;
  /** Pods that are not ready may go in any case, and not only while enough others are ready. */
  readonly unreadyMayGo: boolean;
}

export function budgetOf({ metadata, spec, status }: BudgetObject): Budget {
  const { namespace = '', name, resourceVersion, generation = 0 } = metadata;
  return {
    namespace,
    name,
    resourceVersion,
    counts: matcher(spec?.selector),
    synced: (status?.observedGeneration ?? 0) >= generation,
    uncountable: status?.conditions?.find(({ reason }) => reason === 'SyncFailed')?.message,
    allowed: status?.disruptionsAllowed ?? 0,
    expected: status?.expectedPods ?? 0,
    healthy: status?.currentHealthy ?? 0,
    desiredHealthy: status?.desiredHealthy ?? 0,
    unreadyMayGo: spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow',
  };
}

/** Those that count the pod; more than one and the API server evicts it never. */
export function budgetsOf(pod: DrainPod, budgets: readonly Budget[]): Budget[] {
  return budgets.filter(({ namespace, counts }) => namespace === pod.namespace && counts(pod.labels));
}

/** The server asks no budget for it, or it costs the budget nothing: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/ */
export function isBeyond(pod: DrainPod, { unreadyMayGo, healthy, desiredHealthy }: Budget): boolean {
  if (isFinished(pod) || pod.phase === 'Pending' || pod.endsAtMs !== undefined) return true;
  return !pod.ready && (unreadyMayGo || (desiredHealthy > 0 && healthy >= desiredHealthy));
}

/**
 * Even with all its pods healthy it would let none go, or nobody can say how many it would: only who wrote it, or who sets the
 * number of its pods, can change that.
 */
export function neverAllows({ synced, uncountable, allowed, expected, desiredHealthy }: Budget): boolean {
  return uncountable !== undefined || (synced && allowed <= 0 && desiredHealthy >= expected);
}

export function budgetName(budget: Budget): string {
  return podName(budget);
}

type Selector = NonNullable<BudgetObject['spec']>['selector'];

/** An empty selector counts every pod of the namespace, none counts none, and one that cannot be read neither. */
function matcher(selector: Selector): Budget['counts'] {
  if (selector === undefined || selector === null) return () => false;
  const parts = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key;
      return operator === 'DoesNotExist' ? `!${key}` : `${key} ${operator.toLowerCase()} (${values.join(',')})`;
    }),
  ];
  if (parts.length === 0) return () => true;
  try {
    const parsed = parseLabelSelector(parts.join(','));
    return (labels) => selectorMatches(parsed, labels);
  } catch {
    return () => false;
  }
}
