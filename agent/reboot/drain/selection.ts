import type { DrainOptions } from './options.ts';
import { type DrainPod, isFinished, podName } from './pod.ts';

/** What a drain does with a pod, and why. */
export type Choice =
  | { readonly do: 'evict'; readonly warning?: Warning }
  | { readonly do: 'leave'; readonly why: LeaveReason }
  /** It must not go and cannot stay: no pod of the node is evicted. */
  | { readonly do: 'refuse'; readonly why: RefuseReason };

/** What is lost with a pod that goes. */
export type Warning = 'daemonset-gone' | 'empty-dir' | 'unmanaged';
export type LeaveReason = 'ending-for-long' | 'daemonset' | 'mirror';
export type RefuseReason = 'daemonset-gone' | 'empty-dir' | 'unmanaged';

export interface Selection {
  readonly evict: readonly DrainPod[];
  readonly warnings: readonly { readonly pod: DrainPod; readonly warning: Warning }[];
  readonly left: readonly { readonly pod: DrainPod; readonly why: LeaveReason }[];
  readonly refused: readonly { readonly pod: DrainPod; readonly why: RefuseReason }[];
}

export interface SelectionFacts {
  readonly options: Pick<DrainOptions, 'skipTerminatingAfterSeconds' | 'evictEmptyDir' | 'evictUnmanaged'>;
  /** `namespace/name` of every DaemonSet that there is. */
  readonly daemonSets: ReadonlySet<string>;
  /** Wall clock. */
  readonly nowMs: number;
}

/** As `kubectl drain` chooses, whom people know: the first reason to leave or refuse a pod counts. */
export function select(pods: readonly DrainPod[], facts: SelectionFacts): Selection {
  const evict: DrainPod[] = [];
  const warnings: { pod: DrainPod; warning: Warning }[] = [];
  const left: { pod: DrainPod; why: LeaveReason }[] = [];
  const refused: { pod: DrainPod; why: RefuseReason }[] = [];
  for (const pod of pods) {
    const choice = choose(pod, facts);
    if (choice.do === 'leave') left.push({ pod, why: choice.why });
    else if (choice.do === 'refuse') refused.push({ pod, why: choice.why });
    else {
      evict.push(pod);
      if (choice.warning !== undefined) warnings.push({ pod, warning: choice.warning });
    }
  }
  return { evict, warnings, left, refused };
}

export function choose(pod: DrainPod, { options, daemonSets, nowMs }: SelectionFacts): Choice {
  if (hasEndedForLong(pod, options.skipTerminatingAfterSeconds, nowMs)) return leave('ending-for-long');
  const finished = isFinished(pod);
  const fromDaemonSet = pod.controller?.daemonSet === true && !finished;
  const orphaned = fromDaemonSet && !daemonSets.has(daemonSetOf(pod) ?? '');
  // What a DaemonSet has lost it makes again, on this very node, cordoned or not.
  if (fromDaemonSet && !orphaned) return leave('daemonset');
  if (orphaned && !options.evictUnmanaged) return refuse('daemonset-gone');
  if (pod.mirror) return leave('mirror');
  const losesData = pod.emptyDir && !finished;
  if (losesData && !options.evictEmptyDir) return refuse('empty-dir');
  const unmanaged = pod.controller === undefined && !finished;
  if (unmanaged && !options.evictUnmanaged) return refuse('unmanaged');
  if (orphaned) return { do: 'evict', warning: 'daemonset-gone' };
  if (unmanaged) return { do: 'evict', warning: 'unmanaged' };
  return losesData ? { do: 'evict', warning: 'empty-dir' } : { do: 'evict' };
}

/** `namespace/name` of the DaemonSet that made a pod. */
export function daemonSetOf({ controller, namespace }: DrainPod): string | undefined {
  return controller?.daemonSet === true ? podName({ namespace, name: controller.name }) : undefined;
}

/** Whole seconds, and more of them than asked for, as kubectl counts. */
function hasEndedForLong({ endsAtMs }: DrainPod, afterSeconds: number | undefined, nowMs: number): boolean {
  if (endsAtMs === undefined || afterSeconds === undefined || afterSeconds <= 0) return false;
  return Math.floor((nowMs - endsAtMs) / 1000) > afterSeconds;
}

/** Wall clock of the next moment at which a pod that ends is no longer waited for; infinite where there is none. */
export function skipsAtMs(
  pods: readonly DrainPod[],
  { skipTerminatingAfterSeconds }: Pick<DrainOptions, 'skipTerminatingAfterSeconds'>,
  nowMs: number,
): number {
  if (skipTerminatingAfterSeconds === undefined) return Number.POSITIVE_INFINITY;
  const moments = pods.map(
    ({ endsAtMs = Number.POSITIVE_INFINITY }) => endsAtMs + (skipTerminatingAfterSeconds + 1) * 1000,
  );
  return Math.min(...moments.filter((atMs) => atMs > nowMs), Number.POSITIVE_INFINITY);
}

function leave(why: LeaveReason): Choice {
  return { do: 'leave', why };
}

function refuse(why: RefuseReason): Choice {
  return { do: 'refuse', why };
}
