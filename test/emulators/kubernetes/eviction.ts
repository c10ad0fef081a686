import type { Clock } from '../../../agent/clock.ts';
import { type Json, type JsonObject, listAt, numberAt, objectAt, type StoredObject, textAt } from './objects.ts';
import type { Resource } from './resources.ts';
import { matchesLabelSelector } from './selectors.ts';
import { badRequest, StatusError } from './status.ts';
import type { ObjectStore } from './store.ts';
import type { Target, Writes } from './writes.ts';

const message = "Cannot evict pod as it would violate the pod's disruption budget.";

/**
 * POST …/pods/NAME/eviction. What a budget allows is what its status says: who keeps that up to date is the disruption
 * controller, see disruption.ts.
 */
export function evict(
  store: ObjectStore,
  writes: Writes,
  clock: Clock,
  resources: { readonly pods: Resource; readonly budgets: Resource },
  target: Omit<Target, 'resource' | 'subresource'>,
  eviction: JsonObject,
): void {
  if (textAt(eviction, 'metadata.name') !== target.name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  writes.refuseTerminating({ ...resources.pods, name: target.name }, target.namespace);
  const podTarget: Target = { ...target, resource: resources.pods, subresource: '' };
  const pod = writes.get(podTarget);
  const options = objectAt(eviction, 'deleteOptions');
  const isDryRun = listAt(options, 'dryRun').length > 0;
  if (!isBeyondBudgets(pod)) {
    const budgets = store
      .list(resources.budgets, target.namespace)
      .filter((budget) => matchesLabelSelector(budget['spec'] && objectAt(budget, 'spec.selector'), pod));
    const [budget, ...others] = budgets;
    if (others.length > 0) {
      throw new StatusError(
        500,
        '',
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      );
    }
    if (budget !== undefined && !isUnhealthyAndSpared(pod, budget)) {
      const spent = withOneLess(budget, pod, clock);
      if (!isDryRun) store.put(resources.budgets, spent);
    }
  }
  writes.delete(podTarget, options, isDryRun);
}

/** Pods whose end disrupts nothing any more. */
function isBeyondBudgets(pod: StoredObject): boolean {
  const phase = textAt(pod, 'status.phase');
  return ['Succeeded', 'Failed', 'Pending'].includes(phase) || textAt(pod, 'metadata.deletionTimestamp') !== '';
}

/** A pod that is not ready does not count as available, so its end spends nothing where the budget allows that. */
function isUnhealthyAndSpared(pod: StoredObject, budget: StoredObject): boolean {
  if (isReady(pod)) return false;
  if (textAt(budget, 'spec.unhealthyPodEvictionPolicy') === 'AlwaysAllow') return true;
  const desired = numberAt(budget, 'status.desiredHealthy');
  return desired > 0 && numberAt(budget, 'status.currentHealthy') >= desired;
}

export function isReady(pod: StoredObject): boolean {
  return listAt(pod, 'status.conditions').some(
    (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
  );
}

function withOneLess(budget: StoredObject, pod: StoredObject, clock: Clock): StoredObject {
  const { name } = budget.metadata;
  const status = objectAt(budget, 'status');
  if (numberAt(status, 'observedGeneration') < numberAt(budget, 'metadata.generation')) {
    throw refused(`The disruption budget ${name} is still being processed by the server.`, 10);
  }
  const allowed = numberAt(status, 'disruptionsAllowed');
  if (allowed <= 0) {
    const desired = numberAt(status, 'desiredHealthy');
    const current = numberAt(status, 'currentHealthy');
    throw refused(`The disruption budget ${name} needs ${desired} healthy pods and has ${current} currently`);
  }
  const disruptedPods = {
    ...objectAt(status, 'disruptedPods'),
    [pod.metadata.name]: new Date(clock.nowMs()).toISOString(),
  };
  return { ...budget, status: { ...status, disruptionsAllowed: allowed - 1, disruptedPods } };
}

function refused(why: string, retryAfterSeconds?: number): StatusError {
  const causes: Json = [{ reason: 'DisruptionBudget', message: why }];
  return new StatusError(429, 'TooManyRequests', message, {
    details: { causes },
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
