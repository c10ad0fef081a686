import type { Json, JsonObject } from './objects.ts';
import { openApi } from './openapi.ts';
import { apiVersionOf, type Resource } from './resources.ts';

const version: JsonObject = { major: '1', minor: '34', gitVersion: 'v1.34.4-emulated', platform: 'linux/amd64' };

/** What a client finds out about the server before it asks for objects; undefined for any other path. */
export function discover(path: string, resources: readonly Resource[]): JsonObject | string | undefined {
  switch (path) {
    case '/livez':
    case '/readyz':
    case '/healthz':
      return 'ok';
    case '/version':
      return version;
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    case '/apis':
      return {
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: groupsOf(resources).map((group) => describe(group, resources)),
      };
    default:
  }
  if (path.startsWith('/openapi/')) return openApi(path, resources);
  const [prefix, ...parts] = path.split('/').filter((part) => part !== '');
  const groupVersion = parts.join('/');
  if (prefix === 'apis' && parts.length === 1) {
    return groupsOf(resources).includes(groupVersion)
      ? { ...describe(groupVersion, resources), kind: 'APIGroup', apiVersion: 'v1' }
      : undefined;
  }
  const isList = (prefix === 'api' && parts.length === 1) || (prefix === 'apis' && parts.length === 2);
  const members = resources.filter((resource) => apiVersionOf(resource) === groupVersion);
  if (!isList || members.length === 0) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: members.flatMap(entriesOf) };
}

function groupsOf(resources: readonly Resource[]): string[] {
  return [...new Set(resources.map(({ group }) => group))].filter((group) => group !== '');
}

function describe(group: string, resources: readonly Resource[]): JsonObject {
  const names = [...new Set(resources.filter((resource) => resource.group === group).map(apiVersionOf))];
  // `v1` before `v1alpha1`: the first is preferred.
  const versions = names
    .sort((left, right) => left.length - right.length)
    .map((groupVersion): JsonObject => ({ groupVersion, version: groupVersion.split('/')[1] ?? '' }));
  return { name: group, versions, preferredVersion: versions[0] ?? {} };
}

function entriesOf(resource: Resource): JsonObject[] {
  const { plural, singular, kind, namespaced, shortNames } = resource;
  const verbs: Json[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
  const entries: JsonObject[] = [
    { name: plural, singularName: singular, namespaced, kind, verbs, shortNames: [...shortNames] },
  ];
  if (resource.hasStatus) {
    entries.push({ name: `${plural}/status`, singularName: '', namespaced, kind, verbs: ['get', 'patch', 'update'] });
  }
  if (plural === 'pods' && resource.group === '') {
    const eviction = { group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] };
    entries.push({ name: 'pods/eviction', singularName: '', namespaced, ...eviction });
  }
  return entries;
}
