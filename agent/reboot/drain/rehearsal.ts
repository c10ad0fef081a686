import { ClusterError } from '../../cluster/errors.ts';
import { budgets, pods } from '../../cluster/objects.ts';
import { podsBoundTo } from '../../cluster/pods.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { Clock } from '../../clock.ts';
import { type Budget, budgetOf, budgetsOf, neverAllows } from './budget.ts';
import { DaemonSets } from './daemonsets.ts';
import { verdictOf } from './eviction.ts';
import { laneOf } from './lanes.ts';
import type { DrainOptions } from './options.ts';
import { type DrainPod, drainPodOf } from './pod.ts';
import { select, type Selection } from './selection.ts';
import type { Candidate } from './steps.ts';
import { namesOf, obstaclesOf, refusalText } from './wording.ts';

export interface RehearsalContext {
  readonly port: Pick<KubernetesPort, 'list' | 'evict'>;
  readonly nodeName: string;
  readonly options: DrainOptions;
  readonly clock: Clock;
}

/** What a drain would meet now. */
export interface Rehearsal {
  /** Pods that would have to go. */
  readonly pods: number;
  /** Waiting does not help: nobody should cordon for this. One sentence or more; undefined where nothing is. */
  readonly impossible: string | undefined;
  /** Not known in time, and so no reason to cordon either. One sentence; undefined where every question was answered. */
  readonly unanswered: string | undefined;
  /** What may be over by then. */
  readonly obstacles: readonly string[];
}

/**
 * For all of the tries together: a slot is held meanwhile, and other nodes wait for it. Admission webhooks may take seconds for
 * each, and there are nodes with pods of hundreds of namespaces.
 */
const triesMs = 120_000;

/**
 * Tries the evictions without an effect, before anything is cordoned. One pod of each lane, and one of each namespace of those
 * that no budget counts: the others would get the same answer. Throws ClusterError.
 */
export async function rehearse(context: RehearsalContext, signal: AbortSignal): Promise<Rehearsal> {
  const { port, nodeName, options, clock } = context;
  const scope = { ...podsBoundTo(nodeName), labelSelector: options.podSelector };
  const { items } = await port.list(pods, scope, drainPodOf, { signal });
  const daemonSets = await new DaemonSets(port).of(items, signal);
  const selection = select(items, { options, daemonSets, nowMs: clock.nowMs() });
  if (selection.refused.length > 0) {
    return {
      pods: selection.evict.length,
      impossible: refusalText(selection),
      unanswered: undefined,
      obstacles: [],
    };
  }
  const known = selection.evict.length === 0 ? [] : await listBudgets(port, signal);
  const { tried, untried } = await tryAll(context, representatives(selection, known), signal);
  const hopeless = tried.filter(({ pod, standing }) => isHopeless(pod, standing, known));
  const passing = tried.filter((candidate) => !hopeless.includes(candidate));
  const textsOf = (candidates: Candidate[]): string[] => obstaclesOf(candidates, known).map(({ text }) => text);
  return {
    pods: selection.evict.length,
    impossible: hopeless.length === 0 ? undefined : textsOf(hopeless).join('; '),
    unanswered: unansweredText(untried),
    obstacles: textsOf(passing),
  };
}

/** Undefined where they may not be read: then the API server's refusals speak for themselves. */
async function listBudgets(port: Pick<KubernetesPort, 'list'>, signal: AbortSignal): Promise<Budget[] | undefined> {
  try {
    return [...(await port.list(budgets, {}, budgetOf, { signal })).items];
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'cluster/forbidden') return undefined;
    throw error;
  }
}

function representatives({ evict }: Selection, known: readonly Budget[] | undefined): DrainPod[] {
  const first = new Map<string, DrainPod>();
  for (const pod of evict) {
    const several = known !== undefined && budgetsOf(pod, known).length > 1;
    const { key, budget } = laneOf(pod, known);
    const like = budget === undefined && known !== undefined && !several ? `namespace ${pod.namespace}` : key;
    if (!first.has(like)) first.set(like, pod);
  }
  return [...first.values()];
}

/** As many at a time as the drain would ask for, until the time for all of them is over. */
async function tryAll(
  context: RehearsalContext,
  pods: readonly DrainPod[],
  signal: AbortSignal,
): Promise<{ readonly tried: readonly Candidate[]; readonly untried: readonly DrainPod[] }> {
  const over = new AbortController();
  const expire = async (): Promise<void> => {
    await context.clock.sleep(triesMs, AbortSignal.any([signal, over.signal]));
    over.abort();
  };
  void expire();
  const answers = new Map<DrainPod, readonly Candidate[]>();
  const left = pods.values();
  const tryOnes = async (): Promise<void> => {
    for (const pod of left) {
      if (over.signal.aborted) return;
      try {
        answers.set(pod, await attempt(context, pod, AbortSignal.any([signal, over.signal])));
      } catch (error) {
        if (signal.aborted || !over.signal.aborted) throw error;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: context.options.parallelism }, tryOnes));
  } finally {
    over.abort();
  }
  return { tried: pods.flatMap((pod) => answers.get(pod) ?? []), untried: pods.filter((pod) => !answers.has(pod)) };
}

function unansweredText(untried: readonly DrainPod[]): string | undefined {
  if (untried.length === 0) return undefined;
  return `expected a dry run of the evictions to be over within ${triesMs / 1000} s, but there is no answer for ${namesOf(untried)}. Is an admission webhook slow?`;
}

/** What would be in the way of it; nothing where it would go. */
async function attempt({ port }: RehearsalContext, pod: DrainPod, signal: AbortSignal): Promise<Candidate[]> {
  try {
    await port.evict(pod, { preconditions: { uid: pod.uid }, dryRun: true, signal });
    return [];
  } catch (error) {
    if (!(error instanceof ClusterError) || signal.aborted) throw error;
    const { code, retryAfterMs, message: why } = error;
    const verdict = verdictOf({ code, retryAfterMs, failures: 1 });
    if (verdict.next === 'retry') {
      return [{ pod, askedAtMs: undefined, standing: { is: 'blocked', obstacle: verdict.obstacle, why } }];
    }
    if (verdict.next === 'give-up') {
      return [{ pod, askedAtMs: undefined, standing: { is: 'given-up', obstacle: verdict.obstacle, why } }];
    }
    return [];
  }
}

function isHopeless(pod: DrainPod, standing: Candidate['standing'], known: readonly Budget[] | undefined): boolean {
  if (standing.is === 'given-up') return true;
  if (standing.is !== 'blocked' || standing.obstacle !== 'budget') return false;
  return budgetsOf(pod, known ?? []).some(neverAllows);
}
