import { controlScope } from '../cluster/control.ts';
import { annotationPrefix } from '../cluster/names.ts';
import { configMaps, daemonSets, leases, pods } from '../cluster/objects.ts';
import type { KubernetesObject, Preconditions, Resource, Scope } from '../cluster/port.ts';
import { reporterLeaseName } from '../duties/eraser/lease.ts';
import { imageLists } from '../eraser/imagelist.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { isSlot } from '../reboot/lock/slot.ts';
import type { Cluster } from './cluster.ts';
import { slotScope } from './slots.ts';

/** An object that is ours as a whole, or carries an annotation of ours. */
export interface FoundObject {
  readonly resource: Resource;
  /** `lease/nodetender-default-0`. */
  readonly title: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly preconditions: Preconditions;
  /** Keys of ours that go; undefined: the object itself goes. */
  readonly annotations: readonly string[] | undefined;
}

/** As the chart labels all its objects, and their pods. */
const chartLabel = 'app.kubernetes.io/name=nodetender';
/** The kubelets' Leases are there, by the names of Nodes, which may begin as ours do. */
const nodeLeases = 'kube-node-lease';
/** More agents than that are no news. */
const maxQuoted = 5;

interface AgentsLeft {
  /** As `daemonset/nodetender in kube-system`. */
  readonly found: readonly string[];
  /** Why other namespaces than the given one were not looked into; undefined: all were. */
  readonly unseen: string | undefined;
}

/**
 * Agents that are still there, and those that may be. They are looked for in all namespaces, also where one is given: what they
 * work on are the cluster's Nodes. Throws `usage`.
 */
export async function agentProblems(cluster: Cluster, signal: AbortSignal): Promise<readonly string[]> {
  const kinds = [agentsAs(daemonSets, 'daemonset', cluster, signal), agentsAs(pods, 'pod', cluster, signal)];
  const left = await Promise.all(kinds);
  const found = left.flatMap((kind) => kind.found);
  const unseen = left.find((kind) => kind.unseen !== undefined)?.unseen;
  const more = found.length > maxQuoted ? ` and ${found.length - maxQuoted} more` : '';
  const there = `agents are still there, and would write again what is removed: ${found.slice(0, maxQuoted).join(', ')}${more}. Uninstall the chart first (helm uninstall), and wait until its pods are gone`;
  const unsure = `agents were looked for in namespace ${cluster.namespace} alone, and any other would lose its holds and write again what is removed: ${unseen}`;
  return [...(found.length === 0 ? [] : [there]), ...(unseen === undefined ? [] : [unsure])];
}

async function agentsAs(
  resource: Resource,
  kind: string,
  { port, namespace }: Cluster,
  signal: AbortSignal,
): Promise<AgentsLeft> {
  const foundIn = async (where: string | undefined): Promise<readonly string[]> => {
    const scope = { namespace: where, labelSelector: chartLabel, metadataOnly: true };
    const title = ({ metadata }: KubernetesObject): string => `${kind}/${metadata.name} in ${metadata.namespace ?? ''}`;
    return (await port.list(resource, scope, title, { signal })).items;
  };
  try {
    return { found: await foundIn(undefined), unseen: undefined };
  } catch (error) {
    if (!isNodetenderError(error, 'cluster/forbidden')) throw error;
    if (namespace === undefined) throw namespaceWanted(error);
    return { found: await foundIn(namespace), unseen: messageOf(error) };
  }
}

/** Leases and the ConfigMap of the pause, which go, and ImageLists, which stay without our annotations. Throws `usage`. */
export async function objectsFound(cluster: Cluster, signal: AbortSignal): Promise<readonly FoundObject[]> {
  try {
    const found = [ourLeases(cluster, signal), ourControls(cluster, signal), markedLists(cluster, signal)];
    return (await Promise.all(found)).flat();
  } catch (error) {
    if (cluster.namespace !== undefined || !isNodetenderError(error, 'cluster/forbidden')) throw error;
    throw namespaceWanted(error);
  }
}

function namespaceWanted(error: unknown): NodetenderError {
  return new NodetenderError(
    'usage',
    `cannot look into all namespaces; name the agents' with --namespace (${messageOf(error)})`,
    { cause: error },
  );
}

async function ourLeases(cluster: Cluster, signal: AbortSignal): Promise<readonly FoundObject[]> {
  const { port, namespace } = cluster;
  let namespaces: ReadonlySet<string> = new Set([namespace ?? '']);
  if (namespace === undefined) {
    const scopes: Scope[] = [slotScope(cluster), { fieldSelector: `metadata.name=${reporterLeaseName}` }];
    const listed = await Promise.all(
      scopes.map(
        async (scope) => (await port.list(leases, scope, ({ metadata }) => metadata.namespace ?? '', { signal })).items,
      ),
    );
    namespaces = new Set(listed.flat());
  }
  const found: FoundObject[] = [];
  for (const one of namespaces) {
    if (one === nodeLeases) continue;
    // All of them: a slot is one also where somebody has taken its label away.
    const { items } = await port.list(leases, { namespace: one, metadataOnly: true }, ({ metadata }) => metadata, {
      signal,
    });
    const ours = items.filter((metadata) => metadata.name === reporterLeaseName || isSlot(metadata));
    found.push(...ours.map((metadata) => foundObject(leases, 'lease', { metadata })));
  }
  return found;
}

/** Also those that the chart has made: Helm lets them stay. */
async function ourControls({ port, namespace }: Cluster, signal: AbortSignal): Promise<readonly FoundObject[]> {
  const { items } = await port.list(configMaps, controlScope(namespace), ({ metadata }) => metadata, { signal });
  return items.map((metadata) => foundObject(configMaps, 'configmap', { metadata }));
}

async function markedLists({ port }: Cluster, signal: AbortSignal): Promise<readonly FoundObject[]> {
  try {
    const { items } = await port.list(imageLists, { metadataOnly: true }, ({ metadata }) => metadata, { signal });
    return items.flatMap((metadata) => {
      const keys = Object.keys(metadata.annotations ?? {}).filter((key) => key.startsWith(annotationPrefix));
      return keys.length === 0 ? [] : [foundObject(imageLists, 'imagelist', { metadata }, keys)];
    });
  } catch (error) {
    // There is no such kind of object where nobody has installed it.
    if (isNodetenderError(error, 'cluster/not-found')) return [];
    throw error;
  }
}

function foundObject(
  resource: Resource,
  kind: string,
  { metadata }: KubernetesObject,
  annotations?: readonly string[],
): FoundObject {
  const { namespace, name, uid } = metadata;
  return { resource, title: `${kind}/${name}`, namespace, name, preconditions: { uid }, annotations };
}
