import { jsonPatch } from './jsonpatch.ts';
import { mergePatch } from './merge.ts';
import { isObject, type Json, type JsonObject } from './objects.ts';
import type { Resource } from './resources.ts';
import { badRequest, StatusError } from './status.ts';
import { strategicMergePatch } from './strategic.ts';

/** What a patch makes of an object, by its content type. Server-side apply is not emulated. */
export function patched(resource: Resource, target: JsonObject, contentType: string, patch: Json): Json {
  const mediaType = contentType.split(';')[0]?.trim();
  if (mediaType === 'application/json-patch+json') return jsonPatch(target, patch);
  if (mediaType === 'application/merge-patch+json') return mergePatch(target, objectOf(patch));
  if (mediaType === 'application/strategic-merge-patch+json' && !resource.custom) {
    return strategicMergePatch(target, objectOf(patch));
  }
  const accepted = [
    'application/json-patch+json',
    'application/merge-patch+json',
    ...(resource.custom ? [] : ['application/strategic-merge-patch+json']),
    'application/apply-patch+yaml',
  ];
  throw new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );
}

/** Throws 400 for what is no JSON object. */
export function objectOf(value: Json): JsonObject {
  if (isObject(value)) return value;
  throw badRequest(`json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into an object`);
}
