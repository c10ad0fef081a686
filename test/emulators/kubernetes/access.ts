import type { ApiRequest, ResourceRequest } from './requests.ts';
import { StatusError } from './status.ts';

/** As in a ClusterRole; `*` is everything. A subresource is written `pods/eviction`. */
export interface AccessRule {
  readonly verbs: readonly string[];
  readonly groups: readonly string[];
  readonly resources: readonly string[];
  /** Only in these namespaces. */
  readonly namespaces?: readonly string[];
}

export interface User {
  readonly name: string;
  readonly rules: readonly AccessRule[];
}

const everything: readonly AccessRule[] = [{ verbs: ['*'], groups: ['*'], resources: ['*'] }];

/** Who may do what: bearer tokens and certificates are users, users have rules. */
export class Access {
  readonly #tokens = new Map<string, string>();
  readonly #rules = new Map<string, readonly AccessRule[]>();

  /** Replaces what the user was granted before; all of it where `rules` is left out. */
  grant(user: string, rules: readonly AccessRule[] = everything): void {
    this.#rules.set(user, rules);
  }

  /** Makes a token valid, for a user that has been granted something or nothing. */
  addToken(token: string, user: string): void {
    this.#tokens.set(token, user);
  }

  /** A token that has expired. */
  revokeToken(token: string): void {
    this.#tokens.delete(token);
  }

  /** Throws 401 where nobody is known by what the request shows. */
  authenticate(request: ApiRequest): User {
    const token = /^Bearer (.+)$/i.exec(request.headers['authorization'] ?? '')?.[1];
    const name = token === undefined ? request.certificate?.commonName : this.#tokens.get(token.trim());
    if (name === undefined) throw new StatusError(401, 'Unauthorized', 'Unauthorized');
    const isAdministrator = request.certificate?.organizations.includes('system:masters') === true;
    return token === undefined && isAdministrator ? { name, rules: everything } : this.named(name);
  }

  /** Who has been granted nothing may do nothing. */
  named(name: string): User {
    return { name, rules: this.#rules.get(name) ?? [] };
  }

  /** Throws 403 where no rule allows it. */
  authorize({ name: user, rules }: User, request: ResourceRequest): void {
    const { verb, resource, namespace, name, subresource } = request;
    const wanted = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
    const allowed = rules.some(
      ({ verbs, groups, resources, namespaces }) =>
        includes(verbs, verb) &&
        includes(groups, resource.group) &&
        includes(resources, wanted) &&
        (namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace))),
    );
    if (allowed) return;
    const qualified = resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
    const what = name === undefined ? qualified : `${qualified} "${name}"`;
    const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
    throw new StatusError(
      403,
      'Forbidden',
      `${what} is forbidden: User "${user}" cannot ${verb} resource "${wanted}" in API group "${resource.group}" ${where}`,
      { details: { ...(name === undefined ? {} : { name }), group: resource.group, kind: resource.plural } },
    );
  }
}

function includes(allowed: readonly string[], wanted: string): boolean {
  return allowed.includes('*') || allowed.includes(wanted);
}
