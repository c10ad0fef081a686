/** One kind of object that the server stores. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Spec and status are written through paths of their own. */
  readonly hasStatus: boolean;
  /** `metadata.generation` counts the changes of what is not metadata or status. */
  readonly hasGeneration: boolean;
  /** PUT makes what does not exist. */
  readonly createsOnUpdate: boolean;
  /** PUT without a resourceVersion overwrites whatever is there. */
  readonly overwritesBlindly: boolean;
  /** Fields that a field selector may name beside metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  /** The type is defined by a CRD: no strategic patches, a schema that prunes. */
  readonly custom: boolean;
  /** Objects of several API groups that are one in the store: events. */
  readonly storedAs: string;
}

type Definition = Pick<Resource, 'plural' | 'singular' | 'kind'> & Partial<Resource>;

/** Fills in what most resources have in common. */
export function resource(definition: Definition): Resource {
  const { group = '', version = 'v1', plural } = definition;
  return {
    shortNames: [],
    namespaced: true,
    hasStatus: false,
    hasGeneration: false,
    createsOnUpdate: false,
    overwritesBlindly: true,
    selectableFields: [],
    custom: false,
    storedAs: group === '' ? plural : `${plural}.${group}`,
    ...definition,
    group,
    version,
  };
}

const eventFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

/** What a Kubernetes 1.34 knows, as far as the agent and its users touch it. */
export const builtInResources: readonly Resource[] = [
  resource({
    plural: 'nodes',
    singular: 'node',
    kind: 'Node',
    shortNames: ['no'],
    namespaced: false,
    hasStatus: true,
    selectableFields: ['spec.unschedulable'],
  }),
  resource({
    plural: 'pods',
    singular: 'pod',
    kind: 'Pod',
    shortNames: ['po'],
    hasStatus: true,
    hasGeneration: true,
    selectableFields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.nominatedNodeName',
    ],
  }),
  resource({
    plural: 'namespaces',
    singular: 'namespace',
    kind: 'Namespace',
    shortNames: ['ns'],
    namespaced: false,
    hasStatus: true,
    selectableFields: ['status.phase'],
  }),
  resource({ plural: 'configmaps', singular: 'configmap', kind: 'ConfigMap', shortNames: ['cm'] }),
  resource({ plural: 'serviceaccounts', singular: 'serviceaccount', kind: 'ServiceAccount', shortNames: ['sa'] }),
  resource({
    plural: 'events',
    singular: 'event',
    kind: 'Event',
    shortNames: ['ev'],
    createsOnUpdate: true,
    selectableFields: [
      ...eventFields.map((field) => `involvedObject.${field}`),
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
  }),
  resource({
    group: 'events.k8s.io',
    plural: 'events',
    singular: 'event',
    kind: 'Event',
    shortNames: ['ev'],
    createsOnUpdate: true,
    storedAs: 'events',
    selectableFields: [...eventFields.map((field) => `regarding.${field}`), 'reason', 'reportingController', 'type'],
  }),
  resource({
    group: 'coordination.k8s.io',
    plural: 'leases',
    singular: 'lease',
    kind: 'Lease',
    createsOnUpdate: true,
    overwritesBlindly: false,
  }),
  resource({
    group: 'policy',
    plural: 'poddisruptionbudgets',
    singular: 'poddisruptionbudget',
    kind: 'PodDisruptionBudget',
    shortNames: ['pdb'],
    hasStatus: true,
    hasGeneration: true,
    overwritesBlindly: false,
  }),
  resource({
    group: 'apps',
    plural: 'daemonsets',
    singular: 'daemonset',
    kind: 'DaemonSet',
    shortNames: ['ds'],
    hasStatus: true,
    hasGeneration: true,
  }),
  resource({
    group: 'apiextensions.k8s.io',
    plural: 'customresourcedefinitions',
    singular: 'customresourcedefinition',
    kind: 'CustomResourceDefinition',
    shortNames: ['crd', 'crds'],
    namespaced: false,
    hasStatus: true,
    hasGeneration: true,
    overwritesBlindly: false,
  }),
];

/** `v1`, or `coordination.k8s.io/v1`. */
export function apiVersionOf({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}
