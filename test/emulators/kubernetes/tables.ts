import { type Json, type JsonObject, listAt, objectAt, type StoredObject, textAt } from './objects.ts';
import type { Resource } from './resources.ts';

/** One column of what `kubectl get` prints: its title and its text for an object. */
type Column = readonly [title: string, cell: (object: StoredObject, nowMs: number) => string];

const name: Column = ['Name', ({ metadata }) => metadata.name];
const age: Column = ['Age', (object, nowMs) => ageOf(textAt(object, 'metadata.creationTimestamp'), nowMs)];

const columns: Readonly<Record<string, readonly Column[]>> = {
  nodes: [
    name,
    ['Status', nodeStatus],
    ['Roles', nodeRoles],
    age,
    ['Version', (node) => textAt(node, 'status.nodeInfo.kubeletVersion')],
  ],
  pods: [name, ['Status', (pod) => textAt(pod, 'status.phase')], age],
  configmaps: [name, ['Data', (object) => String(Object.keys(objectAt(object, 'data')).length)], age],
  'leases.coordination.k8s.io': [name, ['Holder', (lease) => textAt(lease, 'spec.holderIdentity')], age],
  events: [
    ['Last Seen', (event, nowMs) => ageOf(textAt(event, 'lastTimestamp') || textAt(event, 'eventTime'), nowMs)],
    ['Type', (event) => textAt(event, 'type')],
    ['Reason', (event) => textAt(event, 'reason')],
    [
      'Object',
      ({ involvedObject }) => `${textAt(involvedObject, 'kind').toLowerCase()}/${textAt(involvedObject, 'name')}`,
    ],
    ['Message', (event) => textAt(event, 'message')],
  ],
};

/** A Table of objects, as `kubectl get` asks for it (https://kubernetes.io/docs/reference/using-api/api-concepts/). */
export function tableOf(
  resource: Resource,
  objects: readonly StoredObject[],
  metadata: JsonObject,
  nowMs: number,
): JsonObject {
  const shown = columns[resource.storedAs] ?? [name, age];
  const definitions = shown.map(([title]): Json => ({
    name: title,
    type: 'string',
    format: title === 'Name' ? 'name' : '',
    description: '',
    priority: 0,
  }));
  const rows = objects.map((object): Json => ({
    cells: shown.map(([, cell]) => cell(object, nowMs)),
    object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
  }));
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, columnDefinitions: definitions, rows };
}

function nodeStatus(node: StoredObject): string {
  const ready = listAt(node, 'status.conditions').find((condition) => textAt(condition, 'type') === 'Ready');
  const word = ready === undefined ? 'Unknown' : textAt(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
  return objectAt(node, 'spec')['unschedulable'] === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles(node: StoredObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const labels = Object.keys(objectAt(node, 'metadata.labels'));
  const roles = labels.filter((label) => label.startsWith(prefix)).map((label) => label.slice(prefix.length));
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

function ageOf(time: string, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return '<unknown>';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
