import { isObject, type Json, type JsonObject } from './objects.ts';

/** JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete merged[field];
    else set(merged, field, mergePatch(Object.hasOwn(merged, field) ? merged[field] : undefined, value));
  }
  return merged;
}

/** Assignment that makes `__proto__` a field like any other. */
export function set(object: JsonObject, field: string, value: Json): void {
  Object.defineProperty(object, field, { value, writable: true, enumerable: true, configurable: true });
}
