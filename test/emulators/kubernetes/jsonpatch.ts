import { set } from './merge.ts';
import { clone, equal, isObject, type Json, textAt } from './objects.ts';
import { badRequest, StatusError } from './status.ts';

/** Operations that the API server takes in one patch. */
const MAX_OPERATIONS = 10_000;

/** JSON Patch (RFC 6902). A failed test or a path that is not there is refused with 422, as the API server does. */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (patch.length > MAX_OPERATIONS) throw badRequest(`a JSON patch may have at most ${MAX_OPERATIONS} operations`);
  let document = clone(target);
  for (const operation of patch) document = applied(document, operation);
  return document;
}

function applied(document: Json, operation: Json): Json {
  const path = pointer(textAt(operation, 'path'));
  const value = isObject(operation) ? (operation['value'] ?? null) : null;
  switch (textAt(operation, 'op')) {
    case 'add':
      return added(document, path, value);
    case 'remove':
      return removed(document, path);
    case 'replace':
      if (found(document, path) === undefined) throw impossible(`replace operation does not apply: ${text(path)}`);
      return path.length === 0 ? value : added(removed(document, path), path, value);
    case 'test':
      if (!equal(found(document, path) ?? null, value)) throw impossible(`testing value ${text(path)} failed`);
      return document;
    case 'move': {
      const from = pointer(textAt(operation, 'from'));
      return added(removed(document, from), path, required(document, from));
    }
    case 'copy':
      return added(document, path, clone(required(document, pointer(textAt(operation, 'from')))));
    default:
      throw badRequest(`unexpected kind: ${textAt(operation, 'op')}`);
  }
}

function pointer(path: string): string[] {
  if (path === '') return [];
  return path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function found(document: Json, path: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const part of path) {
    if (Array.isArray(value)) value = value[Number(part)];
    else if (isObject(value) && Object.hasOwn(value, part)) value = value[part];
    else return undefined;
  }
  return value;
}

function required(document: Json, path: readonly string[]): Json {
  const value = found(document, path);
  if (value === undefined) throw impossible(`missing value at ${text(path)}`);
  return value;
}

/** `document` is a copy of our own, so it is changed in place. */
function added(document: Json, path: readonly string[], value: Json): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = required(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) {
      throw impossible(`invalid index at ${text(path)}`);
    }
    parent.splice(index, 0, value);
  } else if (isObject(parent)) {
    set(parent, last, value);
  } else {
    throw impossible(`add operation does not apply: ${text(path)}`);
  }
  return document;
}

function removed(document: Json, path: readonly string[]): Json {
  required(document, path);
  const last = path.at(-1);
  if (last === undefined) return null;
  const parent = required(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isObject(parent)) delete parent[last];
  return document;
}

function text(path: readonly string[]): string {
  return `/${path.join('/')}`;
}

function impossible(message: string): StatusError {
  return new StatusError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`);
}
