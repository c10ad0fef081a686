import { mergePatch, set } from './merge.ts';
import { isObject, type Json, type JsonObject } from './objects.ts';
import { badRequest } from './status.ts';

/**
 * The lists that strategic merge patches merge by a key; every other list is replaced. Written as in the Go types' tags
 * `patchStrategy:"merge" patchMergeKey:"…"` of core/v1, for the objects that the agent and its users patch. An empty key
 * is a list of plain values that are united.
 */
const mergeKeys: Readonly<Record<string, string>> = {
  'metadata.ownerReferences': 'uid',
  'metadata.finalizers': '',
  'spec.containers': 'name',
  'spec.initContainers': 'name',
  'spec.ephemeralContainers': 'name',
  'spec.imagePullSecrets': 'name',
  'spec.volumes': 'name',
  'spec.containers.env': 'name',
  'spec.containers.volumeMounts': 'mountPath',
  'spec.containers.ports': 'containerPort',
  'spec.podCIDRs': '',
  'status.addresses': 'type',
  'status.conditions': 'type',
  'status.podIPs': 'ip',
};

/**
 * Strategic merge patch: as a JSON merge patch, but lists with a key merge their elements. Understands the directives
 * `$patch: delete|replace`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…` and `$retainKeys`, the last without effect.
 */
export function strategicMergePatch(target: Json | undefined, patch: JsonObject, path = ''): JsonObject {
  if (patch['$patch'] === 'replace') return directivesRemoved(patch);
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    const [directive, listField] = field.split('/', 2);
    if (directive === '$deleteFromPrimitiveList' && listField !== undefined) {
      const gone = Array.isArray(value) ? value : [];
      const list = merged[listField];
      if (Array.isArray(list)) merged[listField] = list.filter((item) => !gone.includes(item));
      continue;
    }
    // The order of a list's elements carries no meaning in any list above.
    if (field.startsWith('$')) continue;
    const current = Object.hasOwn(merged, field) ? merged[field] : undefined;
    const fieldPath = path === '' ? field : `${path}.${field}`;
    if (value === null) delete merged[field];
    else if (Array.isArray(value)) set(merged, field, mergedList(current, value, fieldPath));
    else if (isObject(value) && value['$patch'] === 'delete') delete merged[field];
    else if (isObject(value)) set(merged, field, strategicMergePatch(current, value, fieldPath));
    else set(merged, field, mergePatch(current, value));
  }
  return merged;
}

function mergedList(current: Json | undefined, patch: Json[], path: string): Json[] {
  const key = mergeKeys[path];
  const list = Array.isArray(current) ? current : [];
  if (key === undefined) return patch;
  if (key === '') return [...list, ...patch.filter((item) => !list.includes(item))];
  if (patch.some((item) => isObject(item) && item['$patch'] === 'replace')) {
    return patch.filter((item) => isObject(item) && item['$patch'] === undefined);
  }
  let merged = [...list];
  for (const item of patch) {
    if (!isObject(item) || item[key] === undefined) {
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    }
    const index = merged.findIndex((held) => isObject(held) && held[key] === item[key]);
    if (item['$patch'] === 'delete') merged = merged.filter((_held, position) => position !== index);
    else if (index === -1) merged.push(directivesRemoved(item));
    else merged[index] = strategicMergePatch(merged[index], item, path);
  }
  return merged;
}

function directivesRemoved(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([field]) => !field.startsWith('$')));
}
