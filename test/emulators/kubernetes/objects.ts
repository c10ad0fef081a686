/** A value as it goes over the wire. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export interface JsonObject {
  [field: string]: Json;
}

export interface Metadata extends JsonObject {
  name: string;
  resourceVersion: string;
  uid: string;
}

/** An object as it is stored: with a name, a UID and a version. Never changed in place: a change is a new object. */
export interface StoredObject extends JsonObject {
  metadata: Metadata;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function clone<T extends Json>(value: T): T {
  return structuredClone(value);
}

/** The value at a path such as `spec.nodeName`; undefined where there is none. Own fields only. */
export function at(value: Json | undefined, path: string): Json | undefined {
  let found: Json | undefined = value;
  for (const field of path.split('.')) {
    if (!isObject(found) || !Object.hasOwn(found, field)) return undefined;
    found = found[field];
  }
  return found;
}

/** The object at a path; an empty one where there is none. */
export function objectAt(value: Json | undefined, path: string): JsonObject {
  const found = at(value, path);
  return isObject(found) ? found : {};
}

export function listAt(value: Json | undefined, path: string): Json[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

/** The text at a path; '' where there is none, as Go reads it. */
export function textAt(value: Json | undefined, path: string): string {
  const found = at(value, path);
  return typeof found === 'string' ? found : '';
}

export function numberAt(value: Json | undefined, path: string): number {
  const found = at(value, path);
  return typeof found === 'number' ? found : 0;
}

/** The same fields with the same values, in whatever order. */
export function equal(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equal(item, right[index]));
  }
  if (!isObject(left) || !isObject(right)) return false;
  const fields = Object.keys(left);
  return (
    fields.length === Object.keys(right).length &&
    fields.every((field) => Object.hasOwn(right, field) && equal(left[field], right[field]))
  );
}

/** An object without one of its fields. */
export function without(object: JsonObject, field: string): JsonObject {
  const { [field]: _removed, ...rest } = object;
  return rest;
}
