import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import { NodetenderError } from '../errors.ts';
import { plural } from '../images/wording.ts';
import { annotateNode } from './annotate.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { eachOf } from './eachof.ts';
import { followNodes } from './follow.ts';
import { exitStatus, type Host } from './host.ts';
import { nodesMatching } from './matching.ts';
import type { ClusterOptions } from './options.ts';
import { findPause, pauseRemark } from './pause.ts';
import { bar, ProgressDisplay } from './progress.ts';
import type { Selection } from './selection.ts';
import { printable } from './table.ts';

/** Options of every command that asks agents for something. */
export interface NodeRequestOptions extends ClusterOptions {
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly output: 'text' | 'json';
}

/** How far a request is on one node; `state` is `requested` until an agent has taken it up. */
interface Progress {
  readonly state: string;
}

/** What agents are asked for by a new value of an annotation, and how to read what becomes of it. */
export interface NodeRequest<P extends Progress> {
  readonly annotation: 'clean' | 'reboot';
  /** One word: `cleaning`. */
  readonly what: string;
  readonly prefix: string;
  /** Appended to the value, for whoever reads it. */
  readonly reason?: string | undefined;
  readonly defaultTimeoutMs: number;
  readonly progressOf: (value: string, node: NodeView | undefined) => P;
  readonly untouched: P;
  /** Nothing more will come. */
  readonly isSettled: (progress: P) => boolean;
  readonly hasSucceeded: (progress: P) => boolean;
  /** Worth a line before it is settled. */
  readonly isNews: (progress: P) => boolean;
  /** What follows the name of the node. */
  readonly inWords: (progress: P) => string;
  /** Of those that are not settled: `2 cleaning, 1 waiting`. */
  readonly rest: (count: (state: P['state']) => number) => string;
  /** For programs. */
  readonly toJson: (progress: P) => object;
}

/** Asks the agents of the selected nodes, and may follow what they do. Gives the exit status. */
export async function requestOfNodes<P extends Progress>(
  request: NodeRequest<P>,
  selection: Selection,
  options: NodeRequestOptions,
  host: Host,
): Promise<number> {
  if (options.timeout !== undefined && options.wait !== true) {
    throw new NodetenderError('usage', '--timeout goes with --wait: without it nothing is waited for');
  }
  return await withCluster(options, async (cluster) => {
    const { terminal, stop } = host;
    const selected = await nodesMatching(cluster, selection, host);
    const { chosen, leftOut } =
      selection.by === 'names' ? { chosen: selected.nodes, leftOut: [] } : able(selected.nodes);
    for (const line of leftOut) terminal.err(`${printable(line)}\n`);
    const value = newValue(cluster, request);
    const names: string[] = [];
    await eachOf(chosen, async ({ name }) => {
      if (!(await annotateNode(cluster, name, { [request.annotation]: value }, host))) return;
      names.push(name);
      if (options.output === 'text') terminal.out(`node/${name} annotated\n`);
    });
    names.sort();
    if (names.length > 0) await warnOfPause(cluster, request, host);
    const followed = options.wait === true && names.length > 0;
    const outcomes = followed ? await follow(cluster, request, value, names, options, host) : new Map<string, P>();
    if (options.output === 'json') {
      const nodes = names.map((name) => ({ name, ...request.toJson(outcomes.get(name) ?? request.untouched) }));
      terminal.out(`${JSON.stringify({ request: value, nodes }, undefined, 2)}\n`);
    }
    if (followed && stop.aborted) return exitStatus.interrupted;
    const gone = selected.missing + chosen.length - names.length;
    const failed = gone > 0 || [...outcomes.values()].some((progress) => !request.hasSucceeded(progress));
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

/** New each time, and readable: when somebody asked, and why. One value for all nodes, so that they can be told by it. */
function newValue<P extends Progress>({ clock, random }: Cluster, { prefix, reason }: NodeRequest<P>): string {
  const time = new Date(clock.nowMs()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const chance = Math.floor(random() * 36 ** 4)
    .toString(36)
    .padStart(4, '0');
  return `${prefix}${time}-${chance}${reason === undefined ? '' : ` ${reason}`}`;
}

async function warnOfPause<P extends Progress>(
  cluster: Cluster,
  { what }: NodeRequest<P>,
  { terminal, stop }: Host,
): Promise<void> {
  const remark = pauseRemark(`${what} is`, await findPause(cluster, stop));
  if (remark !== '') terminal.err(`note: the request waits, ${remark}`);
}

async function follow<P extends Progress>(
  cluster: Cluster,
  request: NodeRequest<P>,
  value: string,
  names: readonly string[],
  { timeout = request.defaultTimeoutMs, output }: NodeRequestOptions,
  { terminal, stop }: Host,
): Promise<ReadonlyMap<string, P>> {
  const { isSettled, inWords } = request;
  const { port, clock, random } = cluster;
  const display = new ProgressDisplay(terminal);
  const standing = new Map<string, P>();
  const show = (): void => {
    const all = [...standing.values()];
    const count = (state: string): number => all.filter((one) => one.state === state).length;
    const settled = all.filter(isSettled).length;
    display.say(`${bar(settled / names.length)} ${settled}/${plural(names.length, 'node')}, ${request.rest(count)}`);
  };
  const line = (name: string, progress: P): string => `node/${name} ${printable(inWords(progress))}\n`;
  const outcomes = await followNodes<P>({
    port,
    clock,
    random,
    names,
    progressOf: (node) => request.progressOf(value, node),
    isSettled,
    timeoutMs: timeout,
    signal: stop,
    onProgress: (name, progress) => {
      standing.set(name, progress);
      display.clear();
      if (isSettled(progress) && output === 'text') terminal.out(line(name, progress));
      else if (request.isNews(progress)) terminal.err(line(name, progress));
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
  const latest = new Map(names.map((name) => [name, outcomes.get(name) ?? request.untouched]));
  const open = [...latest].filter(([, progress]) => !isSettled(progress));
  if (open.length > 0) {
    const why = stop.aborted ? 'interrupted' : `not done within ${timeout / 1000} s`;
    terminal.err(
      `error: ${why}: ${open.length} of ${plural(names.length, 'node')}. The requests stand; nodetender nodes shows them\n`,
    );
    for (const [name, progress] of open) terminal.err(line(name, progress));
  }
  return latest;
}
