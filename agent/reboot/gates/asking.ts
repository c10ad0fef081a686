import { messageOf } from '../../errors.ts';
import type { LabelSelector } from '../../node/selectors.ts';
import type { Blocker } from '../state.ts';
import { ALERTS_QUERY, alertsInTheWay } from './alerts.ts';
import type { AlertFilter } from './alerts.ts';
import { podsNotWell, queriesNotWell } from './health.ts';
import type { HealthRules } from './health.ts';
import { podsInTheWay } from './pods.ts';
import type { GatePod } from './pods.ts';
import type { Sample } from './samples.ts';

/** Asks Prometheus one query; undefined where there is none. Rejects when it cannot be answered. */
export type AskPrometheus = ((query: string) => Promise<readonly Sample[]>) | undefined;

export interface GateRules {
  readonly blockingPods: readonly LabelSelector[];
  readonly alerts: AlertFilter;
}

/** What stands in the way of a reboot of this node; a question without an answer does. */
export async function askGates(
  { blockingPods, alerts }: GateRules,
  pods: readonly GatePod[] | undefined,
  ask: AskPrometheus,
): Promise<Blocker[]> {
  const inTheWay = [podsInTheWay(blockingPods, pods), ask && (await alertBlocker(ask, alerts))];
  return inTheWay.filter((blocker) => blocker !== undefined);
}

/** What is not well after a reboot; a question without an answer is not. `node` takes the place of `{{node}}` in queries. */
export async function askHealth(
  rules: HealthRules & { readonly queries: readonly string[] },
  pods: readonly GatePod[] | undefined,
  ask: AskPrometheus,
  node: string,
): Promise<Blocker[]> {
  const notWell = podsNotWell(rules, pods);
  if (!ask || rules.queries.length === 0) return notWell;
  try {
    const queries = rules.queries.map((query) => query.replaceAll('{{node}}', () => node));
    return [...notWell, ...queriesNotWell(await Promise.all(queries.map(ask)))];
  } catch (error) {
    return [...notWell, unanswered(error)];
  }
}

async function alertBlocker(ask: NonNullable<AskPrometheus>, filter: AlertFilter): Promise<Blocker | undefined> {
  try {
    return alertsInTheWay(await ask(ALERTS_QUERY), filter);
  } catch (error) {
    return unanswered(error);
  }
}

function unanswered(error: unknown): Blocker {
  return { gate: 'prometheus', reason: messageOf(error) };
}
