/** How far a node is from being drained. Times are monotonic. */
export type Drain =
  | { readonly phase: 'calm' }
  /** The node takes no new pods, and others leave or have left: `seen`; otherwise they may have, when nobody looked. */
  | { readonly phase: 'draining'; readonly seen: boolean }
  /** It may take pods again; `calmSinceMs` since it is schedulable and Ready, undefined while it is not both. */
  | { readonly phase: 'settling'; readonly calmSinceMs: number | undefined };

export interface DrainFacts {
  readonly nowMs: number;
  /** By `kubectl cordon`, or by the taint of an autoscaler. */
  readonly cordoned: boolean;
  /** Undefined where nobody has ever reported it, as for virtual nodes. */
  readonly ready: boolean | undefined;
  /** For how long `ready` has been what it is, as far as known. */
  readonly readyForMs: number;
  /** A pod of this node is being deleted, or has been since the facts before. */
  readonly podsLeave: boolean;
  readonly settleMs: number;
}

/**
 * The state that follows `before`; undefined for `before` means that this is the first look at the node. What happened
 * before the first look is not known, so a node that is cordoned then counts as drained: the agent may have started
 * after the reboot that the drain was for.
 */
export function nextDrain(before: Drain | undefined, facts: DrainFacts): Drain {
  const { nowMs, cordoned, ready, readyForMs, podsLeave, settleMs } = facts;
  const isSchedulableAndReady = !cordoned && ready !== false;
  switch (before?.phase) {
    case undefined:
      if (cordoned) return { phase: 'draining', seen: podsLeave };
      if (ready === undefined || (ready && readyForMs >= settleMs)) return { phase: 'calm' };
      return { phase: 'settling', calmSinceMs: ready ? nowMs - readyForMs : undefined };
    case 'calm':
      return cordoned && podsLeave ? { phase: 'draining', seen: true } : before;
    case 'draining':
      if (cordoned) return { phase: 'draining', seen: before.seen || podsLeave };
      return settled({ phase: 'settling', calmSinceMs: isSchedulableAndReady ? nowMs : undefined }, nowMs, settleMs);
    case 'settling':
      if (cordoned) return { phase: 'draining', seen: podsLeave };
      if (!isSchedulableAndReady) return { phase: 'settling', calmSinceMs: undefined };
      return settled({ phase: 'settling', calmSinceMs: before.calmSinceMs ?? nowMs }, nowMs, settleMs);
    default:
      return before satisfies never;
  }
}

function settled(drain: Extract<Drain, { phase: 'settling' }>, nowMs: number, settleMs: number): Drain {
  const { calmSinceMs } = drain;
  return calmSinceMs !== undefined && nowMs - calmSinceMs >= settleMs ? { phase: 'calm' } : drain;
}

/** Taints by which autoscalers keep pods away from a node that they are about to empty. */
const drainTaints: ReadonlySet<string> = new Set([
  'node.kubernetes.io/unschedulable',
  'ToBeDeletedByClusterAutoscaler',
  'karpenter.sh/disrupted',
  'karpenter.sh/disruption',
]);

/** Whether new pods are kept away, by whomever. */
export function isCordoned({ unschedulable, taints }: { unschedulable: boolean; taints: readonly string[] }): boolean {
  return unschedulable || taints.some((key) => drainTaints.has(key));
}
