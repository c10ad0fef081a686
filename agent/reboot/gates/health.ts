import { selectorMatches } from '../../node/selectors.ts';
import type { LabelSelector } from '../../node/selectors.ts';
import type { Blocker } from '../state.ts';
import { hasNotEnded, podNames } from './pods.ts';
import type { GatePod } from './pods.ts';
import type { Sample } from './samples.ts';

/** What must be Ready after a reboot. */
export interface HealthRules {
  readonly daemonSetPods: boolean;
  readonly pods: readonly LabelSelector[];
}

/** Pods of this node that are not well yet. Undefined for `pods`: they are not known, which is not well. */
export function podsNotWell(
  { daemonSetPods, pods: selectors }: HealthRules,
  pods: readonly GatePod[] | undefined,
): Blocker[] {
  if (!daemonSetPods && selectors.length === 0) return [];
  if (!pods) return [{ gate: 'pods', reason: 'the pods of this node are not known' }];
  const waiting = pods.filter((pod) => hasNotEnded(pod) && !pod.terminating && !pod.ready);
  const ofDaemonSets = daemonSetPods ? waiting.filter(({ ofDaemonSet }) => ofDaemonSet) : [];
  const selected = waiting.filter(({ labels }) => selectors.some((selector) => selectorMatches(selector, labels)));
  return [
    ...blockers('daemonset-pods', ofDaemonSets),
    ...blockers(
      'pods',
      selected.filter((pod) => !ofDaemonSets.includes(pod)),
    ),
  ];
}

/** `answers` in the order of the queries: each must have a value, and none may be 0 or no number. */
export function queriesNotWell(answers: readonly (readonly Sample[])[]): Blocker[] {
  return answers.flatMap((samples, index) => {
    const which = `health.queries[${index}]`;
    if (samples.length === 0) return [{ gate: 'prometheus', reason: `${which} gives no value` }];
    const bad = samples.find(({ value }) => value === 0 || Number.isNaN(value));
    return bad ? [{ gate: 'prometheus', reason: `${which} gives ${bad.value}` }] : [];
  });
}

function blockers(gate: string, pods: readonly GatePod[]): Blocker[] {
  return pods.length === 0 ? [] : [{ gate, reason: `not Ready: ${podNames(pods)}` }];
}
