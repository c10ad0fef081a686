import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

import type { AuditEvent } from './audit.ts';
import type { Clients } from './clients.ts';

/** Who may what, as the chart's list has it: `agent`, what it asks for besides where `reboots` are on, a `person` with the commands, and with those about reboots. */
type Role = 'agent' | 'reboots' | 'ownersGuarded' | 'person' | 'personReboots' | 'personUninstall';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const file = new URL('../../charts/nodetender/files/permissions.yaml', import.meta.url);
const listed = parse(readFileSync(file, 'utf8')) as Record<Role, Record<string, readonly Rule[]>>;

/** The namespaces that the list's keys mean here; `cluster` is none. */
const namespaces: Readonly<Record<string, string>> = {
  own: 'nodetender',
  excludeNamespaces: 'kube-system',
  default: 'default',
};

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const apiGroup = 'rbac.authorization.k8s.io';

/** Gives a user, or a ServiceAccount of the agents' namespace, what the list has for this role. */
export async function grant({ api }: Clients, role: Role, subject: { kind: string; name: string }): Promise<void> {
  const { kind, name } = subject;
  const subjects = [kind === 'User' ? { kind, name, apiGroup } : { kind, name, namespace: namespaces['own'] }];
  for (const [key, rules] of Object.entries(listed[role])) {
    const namespace = namespaces[key];
    const folder = namespace === undefined ? rbac : `${rbac}/namespaces/${namespace}`;
    const [roles, roleKind] = namespace === undefined ? ['clusterrole', 'ClusterRole'] : ['role', 'Role'];
    const metadata = { name: `nodetender-${role}` };
    await api.create(`${folder}/${roles}s`, { metadata, rules });
    const roleRef = { apiGroup, kind: roleKind, name: metadata.name };
    await api.create(`${folder}/${roles}bindings`, { metadata, roleRef, subjects });
  }
}

/** The list as lines such as `patch eraser.sh/imagelists/status` and `list configmaps in kube-system`, sorted. */
export function permissionsListed(role: Role): string[] {
  return Object.entries(listed[role])
    .flatMap(([key, rules]) =>
      rules.flatMap(({ apiGroups, resources, verbs }) =>
        apiGroups.flatMap((group) =>
          resources.flatMap((resource) => verbs.map((verb) => line(verb, group, resource, namespaces[key] ?? ''))),
        ),
      ),
    )
    .toSorted();
}

/**
 * What these requests were, in the same words, without the namespace where `listed` has them for all; one that asks for no
 * resource by its path, and one that was refused as such.
 */
export function permissionsUsed(events: readonly AuditEvent[], listed: readonly string[] = []): string[] {
  const used = events.map(({ verb, apiGroup: group, resource, subresource, namespace, uri, code }) => {
    const named = subresource === '' ? resource : `${resource}/${subresource}`;
    const everywhere = line(verb, group, named, '');
    const known = listed.includes(everywhere) ? everywhere : line(verb, group, named, namespace);
    const what = resource === '' ? `${verb} ${uri}` : known;
    return code === 401 || code === 403 ? `${what} (refused)` : what;
  });
  return [...new Set(used)].toSorted();
}

function line(verb: string, group: string, resource: string, namespace: string): string {
  return `${verb} ${group === '' ? '' : `${group}/`}${resource}${namespace === '' ? '' : ` in ${namespace}`}`;
}
