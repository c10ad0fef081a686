import { fromStoredForm } from './events.ts';
import { type JsonObject, objectAt, type StoredObject, without } from './objects.ts';
import { apiVersionOf, type Resource } from './resources.ts';

/** How objects are shown to one client: in the version it asked for, whole or nothing but their metadata. */
export interface Representation {
  readonly object: (object: StoredObject) => JsonObject;
  readonly list: (items: readonly StoredObject[], metadata: JsonObject) => JsonObject;
  /** An object that carries nothing but how far a watch has come. */
  readonly bookmark: (revision: number) => JsonObject;
}

/** By the Accept header: `application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1`. Tables fall back to objects. */
export function representationOf(resource: Resource, accept: string): Representation {
  const metadataOnly = /\bas=PartialObjectMetadata(List)?\b/.test(accept.split(',')[0] ?? '');
  const type = metadataOnly
    ? { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' }
    : { kind: resource.kind, apiVersion: apiVersionOf(resource) };
  const object = (stored: StoredObject): JsonObject =>
    metadataOnly
      ? { ...type, metadata: objectAt(stored, 'metadata') }
      : { ...fromStoredForm(resource, stored), ...type };
  // Within a list the Go types leave out what the list says already.
  const untyped = (stored: StoredObject): JsonObject => without(without(object(stored), 'kind'), 'apiVersion');
  return {
    object,
    list: (items, metadata) => ({
      kind: `${type.kind}List`,
      apiVersion: type.apiVersion,
      metadata,
      items: items.map(resource.custom || metadataOnly ? object : untyped),
    }),
    bookmark: (revision) => ({ ...type, metadata: { resourceVersion: String(revision), creationTimestamp: null } }),
  };
}
