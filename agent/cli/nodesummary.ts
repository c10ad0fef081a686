import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import { decodeLastClean, decodeStatus, type Decoded, type LastClean, type NodeStatus } from '../cluster/records.ts';
import type { State } from '../reboot/state.ts';
import { openRequest, recordOf } from './rebootrecord.ts';

/** What a node's annotations say of its agent. */
export interface NodeSummary {
  readonly name: string;
  /** As the control plane sees it; an agent on a node that is not has not been heard lately. */
  readonly ready: boolean;
  /** Undefined where no agent has ever reported, or nothing that can be read. */
  readonly status: NodeStatus | undefined;
  readonly lastClean: LastClean | undefined;
  /** The reason of a hold; may be empty. */
  readonly hold: string | undefined;
  /** A value of `nodetender.dev/clean` that no agent has taken up. */
  readonly requested: string | undefined;
  /** What its agent has recorded of a reboot; undefined where it never had one to think of. */
  readonly reboot: State | undefined;
  /** A value of `nodetender.dev/reboot` that no agent has taken up. */
  readonly rebootRequested: string | undefined;
  /** An annotation of ours that cannot be read, and why. */
  readonly problems: readonly string[];
}

export function summaryOf(node: NodeView): NodeSummary {
  const { annotations } = node;
  const problems: string[] = [];
  const read = <T>(name: string, decode: (value: string) => Decoded<T>): T | undefined => {
    const value = annotations.get(name);
    if (value === undefined) return undefined;
    const decoded = decode(value);
    if (decoded.ok) return decoded.value;
    problems.push(`node/${node.name}: annotation nodetender.dev/${name} cannot be read: ${decoded.problem}`);
    return undefined;
  };
  const wanted = annotations.get(nodeAnnotations.clean);
  const record = recordOf(node);
  if (record.problem !== undefined) problems.push(record.problem);
  return {
    name: node.name,
    ready: node.ready,
    status: read(nodeAnnotations.status, decodeStatus),
    lastClean: read(nodeAnnotations.lastClean, decodeLastClean),
    hold: annotations.get(nodeAnnotations.hold),
    requested: wanted === annotations.get(nodeAnnotations.cleanHandled) ? undefined : wanted,
    reboot: record.state,
    rebootRequested: openRequest(node, record.state),
    problems,
  };
}
