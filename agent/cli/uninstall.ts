import { nodes } from '../cluster/objects.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import { plural } from '../images/wording.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { eachOf } from './eachof.ts';
import { exitStatus, type Host } from './host.ts';
import type { ClusterOptions } from './options.ts';
import { printable } from './table.ts';
import { agentProblems, type FoundObject, objectsFound } from './uninstallobjects.ts';
import {
  conditionsPatch,
  describeRemoval,
  isNothing,
  type NodeRemoval,
  nodeRemoval,
  removalPatch,
} from './uninstallplan.ts';

export interface UninstallOptions extends ClusterOptions {
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** Each but the first follows a write of somebody else, most often the kubelet's, which comes every few seconds at most. */
const maxAttempts = 5;

const stays = `note: what stays are ImageLists and their CRD (kubectl delete crd imagelists.eraser.sh), Events until they expire, and on each
host the state directory, /var/lib/nodetender unless configured, and the directory nodetender beside the runtime's images
`;

/** `nodetender uninstall`: takes everything that agents and these commands have put there out of a cluster. */
export async function uninstallCommand(options: UninstallOptions, host: Host): Promise<number> {
  return await withCluster(options, async (cluster) => {
    const { terminal, stop } = host;
    const [ofAgents, objects, listed] = await Promise.all([
      agentProblems(cluster, stop),
      objectsFound(cluster, stop),
      cluster.port.list(nodes, {}, nodeRemoval, { signal: stop }),
    ]);
    const removals = listed.items.filter((removal) => !isNothing(removal) || removal.underWay !== undefined);
    const problems = [...ofAgents, ...removals.flatMap(rebootProblem)];
    const isRefused = problems.length > 0 && options.force !== true;
    for (const problem of problems) terminal.err(`${isRefused ? 'error' : 'note'}: ${printable(problem)}\n`);
    if (isRefused && options.dryRun !== true) {
      terminal.err('nothing is removed; --force does it all the same\n');
      return exitStatus.failed;
    }
    const isDryRun = options.dryRun === true;
    await eachOf(removals, async (removal) => await clearNode(cluster, removal, isDryRun, host));
    await eachOf(objects, async (object) => await remove(cluster, object, isDryRun, host));
    if (removals.length + objects.length === 0) terminal.err('Nothing of nodetender found\n');
    terminal.err(stays);
    return isRefused ? exitStatus.failed : exitStatus.done;
  });
}

function rebootProblem({ name, underWay }: NodeRemoval): readonly string[] {
  if (underWay === undefined) return [];
  return [
    `node/${name} is in the middle of a reboot (${underWay}). With its agent it goes on to the end; nodetender hold ${name} makes the agent back out, unless the host has been told`,
  ];
}

async function clearNode(
  cluster: Cluster,
  found: NodeRemoval,
  isDryRun: boolean,
  { terminal, stop }: Host,
): Promise<void> {
  const removal = isDryRun ? found : await removeFromNode(cluster, found, stop);
  if (removal === undefined) {
    terminal.err(`note: node/${found.name} has gone\n`);
    return;
  }
  const title = `node/${removal.name}`;
  const what = describeRemoval(removal);
  if (removal.uncordon) terminal.out(`${title} uncordoned${suffix(isDryRun)}\n`);
  if (what !== '') terminal.out(`${title} cleared of ${what}${suffix(isDryRun)}\n`);
  if (removal.staysCordoned !== undefined) terminal.err(`note: ${title} stays cordoned: ${removal.staysCordoned}\n`);
}

/** What was removed; undefined where the Node has gone. Throws ClusterError. */
async function removeFromNode(
  { port }: Cluster,
  found: NodeRemoval,
  signal: AbortSignal,
): Promise<NodeRemoval | undefined> {
  const target = { name: found.name };
  let removal = found;
  for (let attempts = 1; ; attempts += 1) {
    try {
      await port.patch(nodes, target, { type: 'merge', body: removalPatch(removal) }, { signal });
      break;
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      if (!isNodetenderError(error, 'cluster/conflict') || attempts === maxAttempts) throw error;
      removal = nodeRemoval(await port.get(nodes, target, { signal }));
    }
  }
  if (removal.conditions.length > 0) {
    const patch = { type: 'strategic', body: conditionsPatch(removal), subresource: 'status' } as const;
    await port.patch(nodes, target, patch, { signal });
  }
  return removal;
}

async function remove(
  { port }: Cluster,
  object: FoundObject,
  isDryRun: boolean,
  { terminal, stop }: Host,
): Promise<void> {
  const { resource, title, namespace, name, preconditions, annotations } = object;
  const target = { namespace, name };
  try {
    if (isDryRun) {
      // Nothing but to be told.
    } else if (annotations === undefined) await port.delete(resource, target, { preconditions, signal: stop });
    else {
      const nulls = Object.fromEntries(annotations.map((key) => [key, null]));
      const body = { metadata: { ...preconditions, annotations: nulls } };
      await port.patch(resource, target, { type: 'merge', body }, { signal: stop });
    }
  } catch (error) {
    if (!isNodetenderError(error, 'cluster/not-found', 'cluster/conflict')) throw error;
    terminal.err(`note: ${title} is another or gone meanwhile: ${printable(messageOf(error))}\n`);
    return;
  }
  const done = annotations === undefined ? 'deleted' : `cleared of ${plural(annotations.length, 'annotation')}`;
  terminal.out(`${title} ${done}${suffix(isDryRun)}\n`);
}

function suffix(isDryRun: boolean): string {
  return isDryRun ? ' (dry run)' : '';
}
