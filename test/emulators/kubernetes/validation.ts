import { isObject, type Json, type JsonObject, numberAt, objectAt, type StoredObject, textAt } from './objects.ts';
import { apiVersionOf, type Resource } from './resources.ts';
import { badRequest, invalid } from './status.ts';

/** The sum of all annotations of an object. */
const MAX_ANNOTATION_BYTES = 256 * 1024;
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
/** Go reads a MicroTime with exactly six digits after the second. */
const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/;

/** What makes a body unreadable, before anybody asks what it means: 400. */
export function checkReadable(resource: Resource, body: JsonObject): void {
  const wantedVersion = apiVersionOf(resource);
  const version = textAt(body, 'apiVersion');
  if (version !== '' && version !== wantedVersion) {
    throw badRequest(
      `the API version in the data (${version}) does not match the expected API version (${wantedVersion})`,
    );
  }
  const kind = textAt(body, 'kind');
  if (kind !== '' && kind !== resource.kind) {
    throw badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: no kind "${kind}" is registered for version "${wantedVersion}"`,
    );
  }
  for (const field of ['labels', 'annotations']) {
    for (const value of Object.values(objectAt(body, `metadata.${field}`))) {
      if (typeof value !== 'string')
        throw unreadable(resource, `metadata.${field}: expected text, found ${typeof value}`);
    }
  }
  for (const field of microTimes(resource)) {
    const value = textAt(body, field);
    if (value !== '' && !MICRO_TIME.test(value)) {
      throw unreadable(resource, `parsing time "${value}" as "2006-01-02T15:04:05.000000Z07:00"`);
    }
  }
}

function unreadable({ kind, version }: Resource, why: string): Error {
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
}

function microTimes({ plural, storedAs }: Resource): readonly string[] {
  if (plural === 'leases') return ['spec.acquireTime', 'spec.renewTime'];
  return storedAs === 'events' ? ['eventTime', 'series.lastObservedTime'] : [];
}

/** What every object must fulfil, and the few fields of others that the agent writes: 422. */
export function checkValid(resource: Resource, object: StoredObject): void {
  const causes: Record<string, string> = {};
  const { name } = object.metadata;
  if (!NAME.test(name) || name.length > 253) {
    causes['metadata.name'] =
      `Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'`;
  }
  const annotations = texts(object, 'metadata.annotations');
  const bytes = annotations.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > MAX_ANNOTATION_BYTES) {
    causes['metadata.annotations'] = `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`;
  }
  for (const [key] of annotations) {
    if (QUALIFIED_NAME.test(key.toLowerCase())) continue;
    causes['metadata.annotations'] =
      `Invalid value: "${key}": name part must consist of alphanumeric characters, '-', '_' or '.'`;
  }
  for (const [key, value] of texts(object, 'metadata.labels')) {
    if (QUALIFIED_NAME.test(key) && LABEL_VALUE.test(value) && value.length <= 63) continue;
    causes['metadata.labels'] =
      `Invalid value: "${value}": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'`;
  }
  if (resource.plural === 'leases') {
    const spec = objectAt(object, 'spec');
    if (spec['leaseDurationSeconds'] !== undefined && numberAt(spec, 'leaseDurationSeconds') <= 0) {
      causes['spec.leaseDurationSeconds'] =
        `Invalid value: ${numberAt(spec, 'leaseDurationSeconds')}: must be greater than 0`;
    }
  }
  if (Object.keys(causes).length > 0) throw invalid({ ...resource, name }, causes);
}

/** Labels or annotations; checkReadable has seen that all are text. */
function texts(object: StoredObject, path: string): [string, string][] {
  return Object.entries(objectAt(object, path)) as [string, string][];
}

/**
 * The part of an object that a CRD's schema knows, the rest pruned as the API server does. What does not fit the schema is
 * refused with 422, before anybody who watches sees it.
 */
export function fitted(resource: Resource, schema: JsonObject, object: StoredObject): StoredObject {
  const causes: Record<string, string> = {};
  const body = fit(schema, object, '', causes);
  if (Object.keys(causes).length > 0) throw invalid({ ...resource, name: object.metadata.name }, causes);
  return {
    ...(isObject(body) ? body : {}),
    metadata: object.metadata,
    ...(object['apiVersion'] === undefined ? {} : { apiVersion: object['apiVersion'] }),
    ...(object['kind'] === undefined ? {} : { kind: object['kind'] }),
  };
}

function fit(schema: JsonObject, value: Json, path: string, causes: Record<string, string>): Json {
  const type = textAt(schema, 'type');
  const fits =
    (type === 'object' && isObject(value)) ||
    (type === 'array' && Array.isArray(value)) ||
    (type === 'integer' && Number.isInteger(value)) ||
    (type === 'number' && typeof value === 'number') ||
    type === typeof value ||
    type === '';
  if (!fits) {
    causes[path] =
      `Invalid value: ${JSON.stringify(typeName(value))}: ${path} in body must be of type ${type}: ${JSON.stringify(typeName(value))}`;
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((item, index) => fit(objectAt(schema, 'items'), item, `${path}[${index}]`, causes));
  }
  if (!isObject(value)) return value;
  const properties = objectAt(schema, 'properties');
  const additional = schema['additionalProperties'];
  for (const required of Array.isArray(schema['required']) ? schema['required'] : []) {
    if (typeof required === 'string' && !Object.hasOwn(value, required)) {
      causes[path === '' ? required : `${path}.${required}`] = 'Required value';
    }
  }
  const kept: JsonObject = {};
  for (const [field, member] of Object.entries(value)) {
    const known = Object.hasOwn(properties, field) ? properties[field] : additional;
    const fieldPath = path === '' ? field : `${path}.${field}`;
    if (isObject(known)) kept[field] = fit(known, member, fieldPath, causes);
    else if (schema['x-kubernetes-preserve-unknown-fields'] === true) kept[field] = member;
  }
  return kept;
}

function typeName(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
