import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import { NodetenderError } from '../errors.ts';
import { plural } from '../images/wording.ts';
import { annotateNode } from './annotate.ts';
import { type CleanProgress, isSettled } from './cleanprogress.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { eachOf } from './eachof.ts';
import { followClean } from './follow.ts';
import { exitStatus, type Host } from './host.ts';
import { nodesMatching } from './matching.ts';
import { progressInWords, requestsToJson } from './nodewords.ts';
import type { ClusterOptions } from './options.ts';
import { findPause } from './pause.ts';
import { bar, ProgressDisplay } from './progress.ts';
import type { Selection } from './selection.ts';
import { printable } from './table.ts';

export interface CleanNodesOptions extends ClusterOptions {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly output: 'text' | 'json';
}

/** The longest cleaning of a full node takes minutes; one that waits for a drain may take longer than anybody watches. */
const DEFAULT_TIMEOUT_MS = 30 * 60_000;

/** `nodetender clean --node …`: asks the agents of nodes for a cleaning by their own policy, and may follow it. */
export async function cleanNodesCommand(selection: Selection, options: CleanNodesOptions, host: Host): Promise<number> {
  if (options.timeout !== undefined && options.wait !== true) {
    throw new NodetenderError('usage', '--timeout goes with --wait: without it nothing is waited for');
  }
  return await withCluster(options, async (cluster) => {
    const { terminal, stop } = host;
    const selected = await nodesMatching(cluster, selection, host);
    const { chosen, leftOut } =
      selection.by === 'names' ? { chosen: selected.nodes, leftOut: [] } : able(selected.nodes);
    for (const line of leftOut) terminal.err(`${printable(line)}\n`);
    const request = newRequest(cluster, options.dryRun === true);
    const names: string[] = [];
    await eachOf(chosen, async ({ name }) => {
      if (!(await annotateNode(cluster, name, { clean: request }, host))) return;
      names.push(name);
      if (options.output === 'text') terminal.out(`node/${name} annotated\n`);
    });
    names.sort();
    if (names.length > 0) await warnOfPause(cluster, host);
    const followed = options.wait === true && names.length > 0;
    const outcomes = followed ? await follow(cluster, request, names, options, host) : new Map<string, CleanProgress>();
    if (options.output === 'json') terminal.out(requestsToJson(request, names, outcomes));
    if (followed && stop.aborted) return exitStatus.interrupted;
    const gone = selected.missing + chosen.length - names.length;
    const failed = gone > 0 || [...outcomes.values()].some((progress) => !hasSucceeded(progress));
    return failed ? exitStatus.failed : exitStatus.done;
  });
}

/**
 * A selector takes the nodes that can take the request: without an agent, or held, it would lie there and surprise
 * somebody later. A node that is named is asked in any case.
 */
function able(nodes: readonly NodeView[]): {
  readonly chosen: readonly NodeView[];
  readonly leftOut: readonly string[];
} {
  const chosen: NodeView[] = [];
  const leftOut: string[] = [];
  for (const node of nodes) {
    const hold = node.annotations.get(nodeAnnotations.hold);
    if (hold !== undefined) leftOut.push(`node/${node.name} left out: held${hold === '' ? '' : ` (${hold})`}`);
    else if (!node.annotations.has(nodeAnnotations.status))
      leftOut.push(`node/${node.name} left out: no agent has reported there`);
    else chosen.push(node);
  }
  return { chosen, leftOut };
}

/** New each time, and readable: when somebody asked. One value for all nodes, so that they can be told by it. */
function newRequest({ clock, random }: Cluster, dryRun: boolean): string {
  const time = new Date(clock.nowMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const chance = Math.floor(random() * 36 ** 4)
    .toString(36)
    .padStart(4, '0');
  return `${dryRun ? 'dry-run-' : ''}${time}-${chance}`;
}

async function warnOfPause(cluster: Cluster, { terminal, stop }: Host): Promise<void> {
  const pause = await findPause(cluster, stop);
  if (pause?.reason === undefined) return;
  terminal.err(`note: cleaning is paused everywhere (${printable(pause.reason)}): the request waits\n`);
}

async function follow(
  cluster: Cluster,
  request: string,
  names: readonly string[],
  { timeout = DEFAULT_TIMEOUT_MS, output }: CleanNodesOptions,
  { terminal, stop }: Host,
): Promise<ReadonlyMap<string, CleanProgress>> {
  const { port, clock, random } = cluster;
  const display = new ProgressDisplay(terminal);
  const standing = new Map<string, CleanProgress['state']>();
  const show = (): void => {
    const count = (state: string): number => [...standing.values()].filter((one) => one === state).length;
    const settled = count('done') + count('lost');
    const rest = `${count('cleaning')} cleaning, ${count('waiting')} waiting`;
    display.say(`${bar(settled / names.length)} ${settled}/${plural(names.length, 'node')}, ${rest}`);
  };
  const outcomes = await followClean({
    port,
    clock,
    random,
    request,
    names,
    timeoutMs: timeout,
    signal: stop,
    onProgress: (name, progress) => {
      standing.set(name, progress.state);
      const line = `node/${name} ${printable(progressInWords(progress))}\n`;
      display.clear();
      if (isSettled(progress) && output === 'text') terminal.out(line);
      else if (progress.state === 'waiting') terminal.err(line);
      show();
    },
    onHealth: (problem) => {
      display.clear();
      terminal.err(
        problem === undefined ? 'the API server answers again\n' : `note: ${printable(problem.message)}; trying on\n`,
      );
    },
  });
  display.clear();
  const open = names.filter((name) => {
    const progress = outcomes.get(name);
    return progress === undefined || !isSettled(progress);
  });
  if (open.length > 0) {
    const why = stop.aborted ? 'interrupted' : `not done within ${timeout / 1000} s`;
    terminal.err(
      `error: ${why}: ${open.length} of ${plural(names.length, 'node')}. The requests stand; nodetender nodes shows them\n`,
    );
    for (const name of open) {
      const progress = outcomes.get(name) ?? { state: 'requested' };
      terminal.err(`node/${name} ${printable(progressInWords(progress))}\n`);
    }
  }
  return new Map(names.map((name) => [name, outcomes.get(name) ?? { state: 'requested' }]));
}

function hasSucceeded(progress: CleanProgress): boolean {
  if (progress.state !== 'done') return false;
  if (progress.result === undefined) return true;
  const { outcome, failed } = progress.result;
  return (outcome === 'done' || outcome === 'enough') && failed === 0;
}
