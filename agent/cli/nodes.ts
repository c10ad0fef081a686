import type { ClusterError } from '../cluster/errors.ts';
import { viewOfNode } from '../cluster/node.ts';
import { nodes } from '../cluster/objects.ts';
import { Watched } from '../cluster/watch.ts';
import { NodetenderError } from '../errors.ts';
import { plural } from '../images/wording.ts';
import { encodeState } from '../reboot/record.ts';
import { type Cluster, isHopeless, withCluster } from './cluster.ts';
import { exitStatus, type Host } from './host.ts';
import { nodesMatching } from './matching.ts';
import { nodeColumns } from './nodecolumns.ts';
import { type NodeSummary, summaryOf } from './nodesummary.ts';
import type { ClusterOptions, SelectionOptions } from './options.ts';
import { type Control, findPause, pauseRemark } from './pause.ts';
import { type Selection, selectionOf } from './selection.ts';
import { printable, renderTable } from './table.ts';

export interface NodesOptions extends ClusterOptions, SelectionOptions {
  readonly output: 'table' | 'wide' | 'json' | 'yaml' | 'name';
  readonly watch?: boolean;
}

/** `nodetender nodes`: what the agent of each node says of itself. */
export async function nodesCommand(names: readonly string[], options: NodesOptions, host: Host): Promise<number> {
  const selection = selectionOf(names, options) ?? { by: 'all' };
  const { output } = options;
  if (options.watch === true && output !== 'table' && output !== 'wide') {
    throw new NodetenderError('usage', `--watch does not go with -o ${output}: it prints lines of a table`);
  }
  return await withCluster(options, async (cluster) => {
    if (options.watch === true) return await watchNodes(cluster, selection, output === 'wide', host);
    const { terminal } = host;
    const selected = await nodesMatching(cluster, selection, host);
    const summaries = selected.nodes.map(summaryOf);
    if (output === 'name') terminal.out(summaries.map(({ name }) => `node/${name}\n`).join(''));
    else {
      const pause = await findPause(cluster, host.stop);
      if (output === 'json')
        terminal.out(`${JSON.stringify(asDocument(cluster, pause?.reason, summaries), undefined, 2)}\n`);
      else if (output === 'yaml') {
        const { stringify } = await import('yaml');
        terminal.out(stringify(asDocument(cluster, pause?.reason, summaries)));
      } else if (summaries.length > 0) {
        const wide = output === 'wide';
        const columns = nodeColumns({ nowMs: cluster.clock.nowMs(), wide, terminal });
        terminal.out(renderTable(columns, summaries, wide ? undefined : terminal.columns));
        terminal.err(remarks(summaries, pause));
      }
    }
    return selected.missing > 0 ? exitStatus.failed : exitStatus.done;
  });
}

/** A line for each node, and another whenever what it says changes, until the command is interrupted. */
async function watchNodes(cluster: Cluster, selection: Selection, wide: boolean, host: Host): Promise<number> {
  const { terminal, stop } = host;
  const wanted = selection.by === 'names' ? new Set(selection.names) : undefined;
  const printed = new Map<string, string>();
  const end = new AbortController();
  let refusal: ClusterError | undefined;
  const print = (): void => {
    const summaries = watched.values().map(summaryOf);
    // Rendered among all the others, so that lines printed at different times stand in the same columns.
    const columns = nodeColumns({ nowMs: cluster.clock.nowMs(), wide, terminal });
    const [title = '', ...lines] = renderTable(columns, summaries, wide ? undefined : terminal.columns).split('\n');
    for (const [at, summary] of summaries.entries()) {
      const content = JSON.stringify(summary);
      if (wanted?.has(summary.name) === false || printed.get(summary.name) === content) continue;
      if (printed.size === 0) terminal.out(`${title}\n`);
      printed.set(summary.name, content);
      terminal.out(`${lines[at] ?? ''}\n`);
    }
  };
  const watched = new Watched({
    port: cluster.port,
    resource: nodes,
    scope: { labelSelector: selection.by === 'selector' ? selection.selector : undefined },
    project: viewOfNode,
    onChange: () => {
      if (watched.synced) print();
    },
    onHealth: (problem) => {
      if (problem === undefined) return;
      if (isHopeless(problem)) {
        refusal = problem;
        end.abort();
      } else terminal.err(`note: ${printable(problem.message)}; trying on\n`);
    },
    clock: cluster.clock,
    random: cluster.random,
  });
  const printFirst = async (): Promise<void> => {
    await watched.whenSynced();
    print();
  };
  void printFirst();
  await watched.run(AbortSignal.any([stop, end.signal]));
  if (refusal !== undefined) throw refusal;
  return exitStatus.interrupted;
}

/** For programs: as the agents wrote it, null where nothing is there. */
function asDocument(
  { server, clock }: Cluster,
  paused: string | undefined,
  summaries: readonly NodeSummary[],
): Record<string, unknown> {
  return {
    server,
    takenAt: new Date(clock.nowMs()).toISOString(),
    paused: paused ?? null,
    nodes: summaries.map(({ name, ready, status, lastClean, hold, requested, reboot, rebootRequested, problems }) => {
      return {
        name,
        ready,
        hold: hold ?? null,
        requested: requested ?? null,
        status: status ?? null,
        lastClean: lastClean ?? null,
        rebootRequested: rebootRequested ?? null,
        reboot: reboot === undefined ? null : (JSON.parse(encodeState(reboot)) as object),
        problems,
      };
    }),
  };
}

function remarks(summaries: readonly NodeSummary[], control: Control | undefined): string {
  const count = (test: (node: NodeSummary) => boolean): number => summaries.filter(test).length;
  const silent = count(({ status }) => status === undefined);
  const held = count(({ hold }) => hold !== undefined);
  const rebooting = count((node) => node.rebootRequested !== undefined || (node.reboot?.phase ?? 'idle') !== 'idle');
  const parts = [
    plural(summaries.length, 'node'),
    silent > 0 ? `${silent} without an agent` : '',
    held > 0 ? `${held} held` : '',
    rebooting > 0 ? `${rebooting} with a reboot ahead (nodetender status)` : '',
  ].filter(Boolean);
  const problems = summaries.flatMap((node) => node.problems).map((problem) => `${printable(problem)}\n`);
  const pause = pauseRemark('cleaning and reboots are', control);
  return `\n${parts.join(', ')}\n${pause}${problems.join('')}`;
}
