import { annotationPrefix, fieldManager, stateLabel } from '../cluster/names.ts';
import { viewOfNode } from '../cluster/node.ts';
import type { NodeObject } from '../cluster/objects.ts';
import { plural } from '../images/wording.ts';
import { type MarksPatch, marksPatch } from '../reboot/marks.ts';
import type { Phase, State } from '../reboot/state.ts';
import { type NodeRecord, recordOf } from './rebootrecord.ts';

/** What of ours is on one Node, and has to go. */
export interface NodeRemoval {
  readonly name: string;
  readonly resourceVersion: string;
  /** Keys. */
  readonly labels: readonly string[];
  readonly annotations: readonly string[];
  /** All that are left of them; undefined: none of them is ours. */
  readonly taints: MarksPatch['taints'];
  /** Types. */
  readonly conditions: readonly string[];
  readonly uncordon: boolean;
  /** Why it stays cordoned where it may be we who have cordoned it. */
  readonly staysCordoned: string | undefined;
  /** What its agent is in the middle of; undefined: nothing that would be cut off. */
  readonly underWay: string | undefined;
}

const conditionTypes = ['RebootRequired', 'RebootPossible'];

/** Between the cordon and the release. */
const cutOff: ReadonlySet<string> = new Set<Phase>(['cordoned', 'draining', 'rebooting', 'verifying', 'releasing']);

/** Marks go by what the agent has recorded as its own: others may have put the same on a Node. */
export function nodeRemoval(node: NodeObject): NodeRemoval {
  const { metadata, spec } = node;
  const view = viewOfNode(node);
  const record = recordOf(view);
  const { state } = record;
  const labels = new Map(Object.entries(metadata.labels ?? {}));
  const annotations = new Map(Object.entries(metadata.annotations ?? {}));
  const marked = { taints: spec?.taints ?? [], labels, annotations };
  const marks = marksPatch(marked, { add: [], remove: state?.marks ?? [] }, state?.softTaint);
  const isOurs = state?.cordonedByUs === true && view.unschedulable;
  return {
    name: view.name,
    resourceVersion: view.resourceVersion,
    labels: [...ourKeys(labels), ...Object.keys(marks.labels)],
    annotations: [...ourKeys(annotations), ...Object.keys(marks.annotations)],
    taints: marks.taints,
    conditions: conditionTypes.filter((type) => isOurCondition(node, type)),
    uncordon: isOurs && !view.cordonedBySomebody,
    staysCordoned: view.unschedulable ? whyCordoned(record, isOurs && view.cordonedBySomebody) : undefined,
    underWay: underWay(state, record.problem, labels.get(stateLabel)),
  };
}

export function isNothing({ labels, annotations, taints, conditions, uncordon }: NodeRemoval): boolean {
  const count = labels.length + annotations.length + conditions.length;
  return count === 0 && taints === undefined && !uncordon;
}

/** A merge patch of what is not status. It holds for the Node as it was seen, as taints are written as a whole. */
export function removalPatch({ resourceVersion, labels, annotations, taints, uncordon }: NodeRemoval): object {
  const nulls = (keys: readonly string[]): object => Object.fromEntries(keys.map((key) => [key, null]));
  return {
    metadata: { resourceVersion, labels: nulls(labels), annotations: nulls(annotations) },
    spec: { ...(uncordon ? { unschedulable: null } : {}), ...(taints === undefined ? {} : { taints }) },
  };
}

/** A strategic merge patch of the status. */
export function conditionsPatch({ conditions }: NodeRemoval): object {
  return { status: { conditions: conditions.map((type) => ({ type, $patch: 'delete' })) } };
}

/** `1 label, 5 annotations, 1 taint, 2 conditions`; empty where it is none of them. */
export function describeRemoval({ labels, annotations, taints, conditions }: NodeRemoval): string {
  const counts: readonly (readonly [number, string])[] = [
    [labels.length, 'label'],
    [annotations.length, 'annotation'],
    [taints === undefined ? 0 : 1, 'taint'],
    [conditions.length, 'condition'],
  ];
  return counts.flatMap(([count, what]) => (count === 0 ? [] : [plural(count, what)])).join(', ');
}

function ourKeys(all: ReadonlyMap<string, string>): string[] {
  return [...all.keys()].filter((key) => key.startsWith(annotationPrefix));
}

/** Other tools may have conditions of these names, and the API server keeps who wrote them. */
function isOurCondition({ metadata, status }: NodeObject, type: string): boolean {
  if (status?.conditions?.some((condition) => condition.type === type) !== true) return false;
  const key = `k:${JSON.stringify({ type })}`;
  const writers = (metadata.managedFields ?? []).flatMap(({ manager = '', fieldsV1 }) => {
    const written = fieldsV1?.['f:status']?.['f:conditions'];
    return typeof written === 'object' && written !== null && key in written ? [manager] : [];
  });
  return writers.length === 0 || writers.includes(fieldManager);
}

function whyCordoned({ problem }: NodeRecord, isAlsoOthers: boolean): string | undefined {
  if (problem !== undefined) return 'what its agent has recorded cannot be read, so nobody knows who cordoned it';
  return isAlsoOthers ? 'somebody else has cordoned it, too' : undefined;
}

function underWay(
  state: State | undefined,
  problem: string | undefined,
  phase: string | undefined,
): string | undefined {
  if (state !== undefined) {
    const isHeld = state.cordonedByUs || state.slot !== undefined;
    return isHeld || cutOff.has(state.phase) ? `${state.phase}: ${state.reason.text}` : undefined;
  }
  // Of an earlier Node of that name nothing is under way.
  return problem !== undefined && phase !== undefined && cutOff.has(phase) ? phase : undefined;
}
