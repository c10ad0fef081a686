import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import { decodeRecord, type RecordedPool } from '../reboot/record.ts';
import type { State } from '../reboot/state.ts';

/** What a node's agent has recorded of its reboot. */
export interface NodeRecord {
  /** Undefined where nothing is recorded, or not of this Node object, or nothing that can be read. */
  readonly state: State | undefined;
  /** As the agent has it; undefined where it has said nothing. */
  readonly pool: string | undefined;
  /** By the agent's configuration when it wrote that, at `writtenAtMs` or later; undefined where it has said nothing. */
  readonly limits: RecordedLimits | undefined;
  /** Why there is a record that cannot be read. */
  readonly problem: string | undefined;
}

export interface RecordedLimits extends Pick<RecordedPool, 'slots' | 'cap'> {
  readonly writtenAtMs: number;
}

const nothing = { state: undefined, pool: undefined, limits: undefined };

export function recordOf({ name, uid, annotations }: NodeView): NodeRecord {
  const value = annotations.get(nodeAnnotations.rebootStatus);
  if (value === undefined) return { ...nothing, problem: undefined };
  const decoded = decodeRecord(value);
  if (!decoded.ok) {
    const problem = `node/${name}: annotation nodetender.dev/${nodeAnnotations.rebootStatus} cannot be read: ${decoded.problem}`;
    return { ...nothing, problem };
  }
  const { state, pool, hasLimits } = decoded.value;
  const limits = hasLimits ? { slots: pool?.slots, cap: pool?.cap, writtenAtMs: state.sinceMs } : undefined;
  // A Node that was registered anew under its name has no past.
  return { state: state.nodeUid === uid ? state : undefined, pool: pool?.name, limits, problem: undefined };
}

/** A value of `nodetender.dev/reboot` that no agent has taken up; undefined where there is none. */
export function openRequest({ annotations }: NodeView, state: State | undefined): string | undefined {
  const request = annotations.get(nodeAnnotations.reboot);
  return request === state?.requestHandled || request === state?.need?.request ? undefined : request;
}
