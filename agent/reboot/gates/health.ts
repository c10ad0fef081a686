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
  /** DaemonSets, as `namespace/name`, whose pods need not be: they were not Ready before the reboot either. */
  readonly notReadyBefore?: readonly string[] | undefined;
}

/** A record has room for so many; where more are broken, somebody has to look anyway. */
export const maxDaemonSets = 10;

/** Pods of this node that are not well yet. Undefined for `pods`: they are not known, which is not well. */
export function podsNotWell(
  { daemonSetPods, pods: selectors, notReadyBefore = [] }: HealthRules,
  pods: readonly GatePod[] | undefined,
): Blocker[] {
  if (!daemonSetPods && selectors.length === 0) return [];
  if (!pods) return [{ gate: 'pods', reason: 'the pods of this node are not known' }];
  const waiting = pods.filter(isNotReady);
  const counts = ({ daemonSet }: GatePod): boolean => daemonSet !== undefined && !notReadyBefore.includes(daemonSet);
  const ofDaemonSets = daemonSetPods ? waiting.filter(counts) : [];
  const selected = waiting.filter(({ labels }) => selectors.some((selector) => selectorMatches(selector, labels)));
  return [
    ...blockers('daemonset-pods', ofDaemonSets),
    ...blockers(
      'pods',
      selected.filter((pod) => !ofDaemonSets.includes(pod)),
    ),
  ];
}

/** As `namespace/name`, the first of them by the alphabet; undefined for none. */
export function daemonSetsNotReady(pods: readonly GatePod[]): string[] | undefined {
  const names = new Set(pods.filter(isNotReady).map(({ daemonSet }) => daemonSet));
  const sorted = [...names].filter((name) => name !== undefined).toSorted();
  return sorted.length === 0 ? undefined : sorted.slice(0, maxDaemonSets);
}

function isNotReady(pod: GatePod): boolean {
  return hasNotEnded(pod) && !pod.terminating && !pod.ready;
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
