import { type Budget, budgetName, budgetsOf, neverAllows } from './budget.ts';
import type { ObstacleCode } from './eviction.ts';
import { type DrainPod, podName } from './pod.ts';
import type { RefuseReason, Selection } from './selection.ts';
import type { Candidate } from './steps.ts';

/** What keeps some pods of the node, for Events, status and metrics. */
export interface Obstacle {
  readonly code: ObstacleCode;
  /** One sentence that names pods and budgets, without a final full stop. */
  readonly text: string;
}

/** Events hold 1024 bytes, and nobody reads more. */
const maxObstacles = 5;
const maxNames = 3;

/** The same obstacle of several pods is one; those that nothing but a person removes come first. */
export function obstaclesOf(candidates: readonly Candidate[], budgets: readonly Budget[] | undefined): Obstacle[] {
  const groups = new Map<string, { code: ObstacleCode; why: string; pods: DrainPod[]; rank: number }>();
  for (const { pod, standing } of candidates) {
    if (standing.is !== 'blocked' && standing.is !== 'given-up' && standing.is !== 'ending') continue;
    const code = standing.is === 'ending' ? 'ending' : standing.obstacle;
    const why = standing.is === 'ending' ? 'still ending' : (budgetWording(pod, code, budgets) ?? standing.why);
    const group = groups.get(why) ?? { code, why, pods: [], rank: ranks[standing.is] };
    group.pods.push(pod);
    groups.set(why, group);
  }
  return [...groups.values()]
    .toSorted((one, other) => one.rank - other.rank)
    .slice(0, maxObstacles)
    .map(({ code, why, pods }) => ({ code, text: `${namesOf(pods)}: ${why}` }));
}

const ranks = { 'given-up': 0, blocked: 1, ending: 2 };

/** The budgets in the way by name; undefined where none is, or none is known. */
export function budgetWording(
  pod: DrainPod,
  code: ObstacleCode,
  budgets: readonly Budget[] | undefined,
): string | undefined {
  if (budgets === undefined || (code !== 'budget' && code !== 'several-budgets')) return undefined;
  const counting = budgetsOf(pod, budgets);
  const [budget] = counting;
  if (budget === undefined) return undefined;
  if (counting.length > 1) {
    const names = counting.map(budgetName).join(' and ');
    return `the PodDisruptionBudgets ${names} both count it, which the API server answers with a refusal for ever. Let one of them select other pods`;
  }
  const name = `PodDisruptionBudget ${budgetName(budget)}`;
  if (budget.uncountable !== undefined)
    return `${name} never allows one to go: its pods cannot be counted (${budget.uncountable})`;
  if (!budget.synced) return `${name} is not counted yet`;
  if (neverAllows(budget)) {
    return `${name} never allows one to go: it wants ${budget.desiredHealthy} of ${budget.expected} pods healthy. Change it, or add replicas`;
  }
  return `${name} wants ${budget.desiredHealthy} pods healthy and has ${budget.healthy}`;
}

const refusals: Readonly<Record<RefuseReason, string>> = {
  'daemonset-gone': 'their DaemonSet is gone, so that nobody would make them again (evictUnmanaged is false)',
  'empty-dir': 'they keep data in emptyDir volumes, which would be lost (evictEmptyDir is false)',
  unmanaged: 'nobody would make them again (evictUnmanaged is false)',
};

/** Why nothing is evicted. */
export function refusalText({ refused }: Selection): string {
  const reasons = new Set(refused.map(({ why }) => why));
  return [...reasons]
    .map((reason) => {
      const pods = refused.filter(({ why }) => why === reason).map(({ pod }) => pod);
      return `${namesOf(pods)}: ${refusals[reason]}`;
    })
    .join('; ');
}

const losses = {
  'daemonset-gone': 'their DaemonSet is gone: nobody makes them again',
  'empty-dir': 'the data in their emptyDir volumes is lost',
  unmanaged: 'nobody makes them again',
};

/** What is lost by evicting them; undefined for nothing. */
export function warningText({ warnings }: Selection): string | undefined {
  const kinds = new Set(warnings.map(({ warning }) => warning));
  const texts = [...kinds].map((kind) => {
    const pods = warnings.filter(({ warning }) => warning === kind).map(({ pod }) => pod);
    return `${namesOf(pods)}: ${losses[kind]}`;
  });
  return texts.length === 0 ? undefined : texts.join('; ');
}

/** `shop/web-0, shop/web-1 and 7 more`. */
export function namesOf(pods: readonly DrainPod[]): string {
  const names = pods.slice(0, maxNames).map(podName).join(', ');
  return pods.length > maxNames ? `${names} and ${pods.length - maxNames} more` : names;
}
