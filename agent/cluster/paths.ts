import { ClusterError } from './errors.ts';
import type { Resource } from './port.ts';

export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The path of one object, or of all in a namespace, or of all; query values that are undefined are left out. */
export function apiPath(
  { group, version, plural, namespaced }: Resource,
  { namespace, name, subresource }: Place,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const segments = group === '' ? ['api', version] : ['apis', group, version];
  if (namespaced && namespace !== undefined) segments.push('namespaces', namespace);
  segments.push(plural);
  if (name !== undefined) segments.push(name);
  if (subresource !== undefined) segments.push(subresource);
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, value);
  // Names reach us in annotations and kubeconfigs too; these would name another object than the one meant.
  const bad = segments.find((segment) => segment === '' || segment === '.' || segment === '..');
  if (bad !== undefined) throw new ClusterError('cluster/invalid', `"${bad}" is no name for anything in ${plural}`);
  const path = `/${segments.map(encodeURIComponent).join('/')}`;
  return parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
}
