import type { V1ConfigMap, V1DaemonSet, V1Lease, V1Node, V1Pod, V1PodDisruptionBudget } from '@kubernetes/client-node';
import type { KubernetesObject, Resource } from './port.ts';

/** The metadata that every object carries; name and resourceVersion are checked on arrival. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  /** Opaque: compared for equality only. */
  readonly resourceVersion: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  /** RFC 3339; set while the object is being deleted. */
  readonly deletionTimestamp?: string;
  /** What of it was grace: `deletionTimestamp` is so long after its deletion was asked for. */
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly ManagedFields[];
}

/** What one writer owns of an object. */
interface ManagedFields {
  readonly manager?: string;
  /** `f:spec` and in it `f:unschedulable`, and so on. */
  readonly fieldsV1?: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
}

interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  /** At most one of them is. */
  readonly controller?: boolean;
}

/** client-node's types describe its own decoding; in the JSON that we read, a time is text. */
type Json<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Json<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Json<T[Key]> }
      : T;

type Described<T extends { metadata?: unknown }> = Json<Omit<T, 'metadata'>> & KubernetesObject;

export type NodeObject = Described<V1Node>;
export type PodObject = Described<V1Pod>;
export type ConfigMapObject = Described<V1ConfigMap>;
export type LeaseObject = Described<V1Lease>;
export type DaemonSetObject = Described<V1DaemonSet>;
export type BudgetObject = Described<V1PodDisruptionBudget>;

export const nodes: Resource<NodeObject> = { group: '', version: 'v1', plural: 'nodes', namespaced: false };
export const pods: Resource<PodObject> = { group: '', version: 'v1', plural: 'pods', namespaced: true };
export const configMaps: Resource<ConfigMapObject> = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  namespaced: true,
};
export const leases: Resource<LeaseObject> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  namespaced: true,
};
export const daemonSets: Resource<DaemonSetObject> = {
  group: 'apps',
  version: 'v1',
  plural: 'daemonsets',
  namespaced: true,
};
export const budgets: Resource<BudgetObject> = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  namespaced: true,
};
