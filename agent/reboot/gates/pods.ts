import { selectorMatches } from '../../node/selectors.ts';
import type { LabelSelector } from '../../node/selectors.ts';
import type { Blocker } from '../state.ts';

/** A pod of this node. */
export interface GatePod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** `Succeeded` and `Failed` have ended. */
  readonly phase: string;
  readonly ready: boolean;
  /** `namespace/name` of the DaemonSet that controls it; undefined where none does. */
  readonly daemonSet: string | undefined;
  /** Its deletion has been asked for. */
  readonly terminating: boolean;
}

const MAX_NAMES = 5;

/** Pods that must not be interrupted, as their selectors say. Undefined for `pods`: they are not known, which blocks. */
export function podsInTheWay(
  selectors: readonly LabelSelector[],
  pods: readonly GatePod[] | undefined,
): Blocker | undefined {
  if (selectors.length === 0) return undefined;
  if (!pods) return { gate: 'pods', reason: 'the pods of this node are not known' };
  const blocking = pods.filter(
    (pod) => hasNotEnded(pod) && selectors.some((each) => selectorMatches(each, pod.labels)),
  );
  return blocking.length === 0 ? undefined : { gate: 'pods', reason: `blocked by ${podNames(blocking)}` };
}

export function hasNotEnded({ phase }: GatePod): boolean {
  return phase !== 'Succeeded' && phase !== 'Failed';
}

/** Some of them by name, and how many others there are. */
export function podNames(pods: readonly GatePod[]): string {
  return listed(pods.map(({ namespace, name }) => `${namespace}/${name}`));
}

export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}
