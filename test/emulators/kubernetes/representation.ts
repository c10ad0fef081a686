import { fromStoredForm } from './events.ts';
import { type JsonObject, objectAt, type StoredObject, without } from './objects.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import { tableOf } from './tables.ts';

/** How objects are shown to one client: in the version it asked for, whole or nothing but their metadata. */
export interface Representation {
  readonly object: (object: StoredObject) => JsonObject;
  readonly list: (items: readonly StoredObject[], metadata: JsonObject) => JsonObject;
  /** An object that carries nothing but how far a watch has come. */
  readonly bookmark: (revision: number) => JsonObject;
}

/** By the Accept header: `application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1`, or `as=Table`. */
export function representationOf(resource: Resource, accept: string, nowMs: number): Representation {
  const [preferred = ''] = accept.split(',');
  if (/\bas=Table\b/.test(preferred)) return asTables(resource, nowMs);
  const metadataOnly = /\bas=PartialObjectMetadata(List)?\b/.test(preferred);
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

function asTables(resource: Resource, nowMs: number): Representation {
  const { bookmark } = representationOf(resource, '', nowMs);
  const versionOf = ({ metadata: { resourceVersion } }: StoredObject): JsonObject => ({ resourceVersion });
  return {
    object: (stored) => tableOf(resource, [stored], versionOf(stored), nowMs),
    list: (items, metadata) => tableOf(resource, items, metadata, nowMs),
    bookmark,
  };
}
