import type { Clock, Random } from '../clock.ts';
import type { ClusterError } from '../cluster/errors.ts';
import { type NodeView, viewOfNode } from '../cluster/node.ts';
import { nodes } from '../cluster/objects.ts';
import type { KubernetesPort, Scope } from '../cluster/port.ts';
import { Watched } from '../cluster/watch.ts';
import { isHopeless } from './cluster.ts';

export interface FollowOptions<P> {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly names: readonly string[];
  /** How far what was asked for is on a node; undefined is a node that is gone. */
  readonly progressOf: (node: NodeView | undefined) => P;
  /** Nothing more will come. */
  readonly isSettled: (progress: P) => boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called for each node at first and whenever its progress changes. */
  readonly onProgress: (name: string, progress: P) => void;
  /** Called when the API server cannot be followed (why) and when it can again (undefined). */
  readonly onHealth: (problem: ClusterError | undefined) => void;
}

/**
 * Follows a request on the nodes named until it is settled on all of them, `timeoutMs` have passed, or `signal` aborts;
 * gives where each stands then. Throws where the API server refuses to be followed.
 */
export async function followNodes<P>(options: FollowOptions<P>): Promise<ReadonlyMap<string, P>> {
  const { port, clock, random, names, progressOf, isSettled, timeoutMs, signal, onProgress, onHealth } = options;
  const latest = new Map<string, P>();
  const end = new AbortController();
  const wanted = new Set(names);
  let refusal: ClusterError | undefined;
  const look = (name: string): void => {
    if (!wanted.has(name)) return;
    const before = latest.get(name);
    // What is settled stays so: the next run overwrites the record of this one.
    if (before !== undefined && isSettled(before)) return;
    const progress = progressOf(watched.get(name));
    latest.set(name, progress);
    if (JSON.stringify(before) !== JSON.stringify(progress)) onProgress(name, progress);
    if (latest.size === wanted.size && [...latest.values()].every(isSettled)) end.abort();
  };
  const watched = new Watched({
    port,
    resource: nodes,
    scope: scopeOf(names),
    project: viewOfNode,
    onChange: ({ key }) => look(key),
    onHealth: (problem) => {
      if (problem !== undefined && isHopeless(problem)) {
        refusal = problem;
        end.abort();
      } else onHealth(problem);
    },
    clock,
    random,
  });
  const lookAtAll = async (): Promise<void> => {
    await watched.whenSynced();
    // Nodes that were gone before the first list are in no change.
    for (const name of names) look(name);
  };
  void lookAtAll();
  const expire = async (): Promise<void> => {
    await clock.sleep(timeoutMs, end.signal);
    end.abort();
  };
  void expire();
  await watched.run(AbortSignal.any([signal, end.signal]));
  end.abort();
  if (refusal !== undefined) throw refusal;
  return latest;
}

/** Annotations and labels are all that is read. One node is watched alone; a selector would lose nodes whose labels change. */
function scopeOf(names: readonly string[]): Scope {
  const [name] = names;
  const fieldSelector = names.length === 1 ? `metadata.name=${name}` : undefined;
  return { metadataOnly: true, fieldSelector };
}
