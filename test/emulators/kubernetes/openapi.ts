import type { JsonObject } from './objects.ts';
import { apiVersionOf, type Resource } from './resources.ts';

/**
 * Just enough of OpenAPI v3 for `kubectl apply`: it looks whether the server checks fields itself (the parameter
 * fieldValidation of PATCH) and, finding that, asks for no schemas.
 */
export function openApi(path: string, resources: readonly Resource[]): JsonObject | undefined {
  const groupVersions = [...new Set(resources.map(apiVersionOf))];
  if (path === '/openapi/v3') {
    const entries = groupVersions.map((groupVersion): [string, JsonObject] => [
      prefixOf(groupVersion),
      { serverRelativeURL: `/openapi/v3/${prefixOf(groupVersion)}` },
    ]);
    return { paths: Object.fromEntries(entries) };
  }
  const groupVersion = groupVersions.find((known) => path === `/openapi/v3/${prefixOf(known)}`);
  if (groupVersion === undefined) return undefined;
  const members = resources.filter((resource) => apiVersionOf(resource) === groupVersion);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes, emulated', version: '1.34' },
    paths: Object.fromEntries(
      members.map((resource) => [`/${prefixOf(groupVersion)}/${resource.plural}`, patchOf(resource)]),
    ),
  };
}

function prefixOf(groupVersion: string): string {
  return groupVersion.includes('/') ? `apis/${groupVersion}` : `api/${groupVersion}`;
}

function patchOf({ group, version, kind }: Resource): JsonObject {
  return {
    patch: {
      parameters: [{ name: 'fieldValidation', in: 'query', schema: { type: 'string' } }],
      responses: {},
      'x-kubernetes-group-version-kind': { group, version, kind },
    },
  };
}
