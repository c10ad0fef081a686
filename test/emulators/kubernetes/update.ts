import {
  equal,
  type Json,
  type JsonObject,
  listAt,
  numberAt,
  objectAt,
  type StoredObject,
  without,
} from './objects.ts';
import type { Resource } from './resources.ts';

/** Metadata that a client may send, and that stays as it is. */
const keptFields = [
  'name',
  'namespace',
  'generateName',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

/** What an update makes of an object: spec and status are written through paths of their own, and some metadata never. */
export function updatedObject(
  resource: Resource,
  subresource: string,
  current: StoredObject,
  body: JsonObject,
): StoredObject {
  const isStatus = subresource === 'status';
  const status = isStatus || !resource.hasStatus ? body['status'] : current['status'];
  const rest = without(without(isStatus ? current : body, 'metadata'), 'status');
  return {
    ...rest,
    ...(status === undefined ? {} : { status }),
    // Through the status path of a custom resource no metadata changes; of a built-in one labels and annotations do.
    metadata: isStatus && resource.custom ? current.metadata : updatedMetadata(current, objectAt(body, 'metadata')),
  };
}

function updatedMetadata(current: StoredObject, sent: JsonObject): StoredObject['metadata'] {
  const kept: JsonObject = {};
  for (const field of keptFields) {
    const value = current.metadata[field];
    if (value !== undefined) kept[field] = value;
  }
  const { name, uid, resourceVersion } = current.metadata;
  return { ...writable(sent), ...kept, name, uid, resourceVersion };
}

/** Without what only the server writes; an empty map or list is the same as none. */
export function writable(metadata: JsonObject): JsonObject {
  const isEmpty = (value: Json): boolean =>
    value === null || (typeof value === 'object' && Object.keys(value).length === 0);
  const isKept = (field: string): boolean =>
    field === 'managedFields' || (keptFields as readonly string[]).includes(field);
  return Object.fromEntries(Object.entries(metadata).filter(([field, value]) => !isEmpty(value) && !isKept(field)));
}

/** Counts a change of what is wanted, where the resource counts. */
export function withGeneration(resource: Resource, updated: StoredObject, current: StoredObject): StoredObject {
  const wanted = (object: StoredObject): JsonObject => without(without(object, 'metadata'), 'status');
  if (!resource.hasGeneration || equal(wanted(updated), wanted(current))) return updated;
  return { ...updated, metadata: { ...updated.metadata, generation: numberAt(current, 'metadata.generation') + 1 } };
}

/** The last finalizer of an object that is being deleted has gone. */
export function isReleased(updated: StoredObject, current: StoredObject): boolean {
  const isDeleted = current.metadata['deletionTimestamp'] !== undefined;
  const held = (object: StoredObject): boolean => listAt(object, 'metadata.finalizers').length > 0;
  return isDeleted && held(current) && !held(updated);
}
