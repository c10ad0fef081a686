import { isReady } from './eviction.ts';
import { at, type Json, type JsonObject, objectAt, numberAt, type StoredObject, textAt, equal } from './objects.ts';
import type { Resource } from './resources.ts';
import { matchesLabelSelector } from './selectors.ts';
import type { ObjectStore } from './store.ts';

/**
 * The disruption controller: keeps each PodDisruptionBudget's status as its pods are. The share of a percentage is of the
 * pods that exist; the real one asks the pods' controllers how many there should be.
 */
export function runDisruptionController(
  store: ObjectStore,
  resources: { readonly pods: Resource; readonly budgets: Resource },
): () => void {
  return store.listen((change) => {
    if (change.storedAs === resources.budgets.storedAs && change.type !== 'DELETED') {
      synchronise(store, resources, change.object);
    } else if (change.storedAs === resources.pods.storedAs) {
      for (const budget of store.list(resources.budgets, textAt(change.object, 'metadata.namespace'))) {
        synchronise(store, resources, budget);
      }
    }
  });
}

function synchronise(
  store: ObjectStore,
  resources: { readonly pods: Resource; readonly budgets: Resource },
  budget: StoredObject,
): void {
  const namespace = textAt(budget, 'metadata.namespace');
  const pods = store
    .list(resources.pods, namespace)
    .filter((pod) => matchesLabelSelector(objectAt(budget, 'spec.selector'), pod));
  const evicted = objectAt(budget, 'status.disruptedPods');
  const stillThere = pods.filter((pod) => textAt(pod, 'metadata.deletionTimestamp') === '');
  const disruptedPods = Object.fromEntries(
    Object.entries(evicted).filter(([name]) => stillThere.some((pod) => pod.metadata.name === name)),
  );
  const currentHealthy = stillThere.filter(
    (pod) => isReady(pod) && !Object.hasOwn(disruptedPods, pod.metadata.name),
  ).length;
  const desiredHealthy = desired(objectAt(budget, 'spec'), pods.length);
  const status: JsonObject = {
    ...objectAt(budget, 'status'),
    observedGeneration: numberAt(budget, 'metadata.generation'),
    expectedPods: pods.length,
    currentHealthy,
    desiredHealthy,
    disruptionsAllowed: pods.length === 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy),
    disruptedPods,
  };
  if (!equal(status, at(budget, 'status'))) store.put(resources.budgets, { ...budget, status });
}

function desired(spec: JsonObject, expected: number): number {
  const unavailable = spec['maxUnavailable'];
  if (unavailable !== undefined) return Math.max(0, expected - amount(unavailable, expected));
  return amount(spec['minAvailable'] ?? 1, expected);
}

/** A number, or a percentage that is rounded up. */
function amount(value: Json, whole: number): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? Math.ceil((Number.parseInt(value, 10) * whole) / 100) : 0;
}
