import { clone, type JsonObject, listAt, numberAt, objectAt, type StoredObject, textAt, without } from './objects.ts';
import type { Resource } from './resources.ts';

/** What the server fills in, as far as somebody looks at it. */
export function withDefaults(resource: Resource, body: JsonObject): JsonObject {
  const object = clone(body);
  if (resource.custom && resource.hasStatus) return without(object, 'status');
  if (resource.group !== '') return object;
  if (resource.plural === 'pods') {
    return {
      ...object,
      spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...objectAt(object, 'spec') },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    };
  }
  if (resource.plural === 'namespaces') return { ...object, status: { phase: 'Active' } };
  if (resource.plural === 'nodes') {
    // Until the node says that it is ready nothing is scheduled to it.
    const taint: JsonObject = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
    const taints = listAt(object, 'spec.taints').filter((held) => textAt(held, 'key') !== taint['key']);
    return { ...object, spec: { ...objectAt(object, 'spec'), taints: [...taints, taint] } };
  }
  return object;
}

/** Seconds that a pod has to end; 0 when nobody runs it. */
export function graceOf(pod: StoredObject, options: JsonObject): number {
  if (textAt(pod, 'spec.nodeName') === '') return 0;
  if (['Succeeded', 'Failed'].includes(textAt(pod, 'status.phase'))) return 0;
  const asked = options['gracePeriodSeconds'];
  return typeof asked === 'number' ? Math.max(0, asked) : numberAt(pod, 'spec.terminationGracePeriodSeconds');
}
