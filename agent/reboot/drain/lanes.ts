import { type Budget, budgetName, budgetsOf, isBeyond } from './budget.ts';
import type { DrainPod } from './pod.ts';

/**
 * Pods whose evictions must come one after the other. The API server writes each into the status of the budget that counts
 * the pod, and two at a time cost each other half a second of its retries; and what a budget answers to one it answers to all.
 */
export interface Lane {
  readonly key: string;
  readonly budget: Budget | undefined;
}

/** `budgets`: undefined while they are not known; then those of one controller are thought to share one. */
export function laneOf(pod: DrainPod, budgets: readonly Budget[] | undefined): Lane {
  const alone: Lane = { key: `pod ${pod.uid}`, budget: undefined };
  if (budgets === undefined) {
    return pod.controller === undefined ? alone : { key: `controller ${pod.controller.uid}`, budget: undefined };
  }
  const [budget, ...others] = budgetsOf(pod, budgets);
  if (budget === undefined || others.length > 0 || isBeyond(pod, budget)) return alone;
  return { key: `budget ${budgetName(budget)}`, budget };
}
