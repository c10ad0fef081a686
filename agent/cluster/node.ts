import { annotationPrefix, fieldManager, nodeConditions } from './names.ts';
import { nodes, type NodeObject, type ObjectMeta } from './objects.ts';
import { Watched, type WatchedOptions } from './watch.ts';

/** What is kept of a Node. */
export interface NodeView {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** RFC 3339, the API server's clock. */
  readonly createdAt: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Ours alone, by their names after `nodetender.dev/`: others hold what is not ours to keep in memory. */
  readonly annotations: ReadonlyMap<string, string>;
  readonly unschedulable: boolean;
  /** The API server's record of who wrote what names somebody else for `unschedulable`. */
  readonly cordonedBySomebody: boolean;
  /** Keys of all taints. */
  readonly taints: readonly string[];
  /** Keys of those that only send pods elsewhere where they can go. */
  readonly softTaints: readonly string[];
  /** Whether cluster-autoscaler has been told to leave the node. */
  readonly scaleDownDisabled: boolean;
  readonly ready: boolean;
  /** When `ready` last changed, wall clock of the node; undefined where nobody has said so. */
  readonly readyChangedAtMs: number | undefined;
  /** Status by type, of ours alone. */
  readonly conditions: ReadonlyMap<string, string>;
  /** As the kubelet reported it last. */
  readonly bootId: string;
  /** `linux` or `windows`; empty for a node that has never reported, as virtual ones may not. */
  readonly operatingSystem: string;
}

/** A kubelet reports its node every five minutes, changed or not: https://kubernetes.io/docs/reference/node/node-status/ */
const quietLimitMs = 10 * 60_000;

/** One's own Node, followed by its name. */
export class OwnNode extends Watched<NodeObject, NodeView> {
  readonly #name: string;

  constructor(
    name: string,
    options: Omit<WatchedOptions<NodeObject, NodeView>, 'resource' | 'scope' | 'project' | 'quietLimitMs'>,
  ) {
    super({
      ...options,
      resource: nodes,
      scope: { fieldSelector: `metadata.name=${name}` },
      project: viewOfNode,
      quietLimitMs,
    });
    this.#name = name;
  }

  /** Undefined while there is no such Node, or none has been read yet. */
  get current(): NodeView | undefined {
    return this.get(this.#name);
  }
}

export function viewOfNode({ metadata, spec, status }: NodeObject): NodeView {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const changedAtMs = Date.parse(ready?.lastTransitionTime ?? '');
  const { name, uid, resourceVersion, creationTimestamp: createdAt = '', labels = {}, annotations = {} } = metadata;
  return {
    name,
    uid,
    resourceVersion,
    createdAt,
    labels: new Map(Object.entries(labels)),
    annotations: new Map(ours(annotations)),
    unschedulable: spec?.unschedulable ?? false,
    cordonedBySomebody: spec?.unschedulable === true && hasForeignCordon(metadata.managedFields),
    taints: (spec?.taints ?? []).map(({ key }) => key),
    softTaints: (spec?.taints ?? []).filter(({ effect }) => effect === 'PreferNoSchedule').map(({ key }) => key),
    scaleDownDisabled: annotations['cluster-autoscaler.kubernetes.io/scale-down-disabled'] === 'true',
    ready: ready?.status === 'True',
    readyChangedAtMs: Number.isNaN(changedAtMs) ? undefined : changedAtMs,
    conditions: new Map(
      nodeConditions.flatMap((type) => {
        const found = status?.conditions?.find((condition) => condition.type === type);
        return found === undefined ? [] : [[type, found.status] as const];
      }),
    ),
    bootId: status?.nodeInfo?.bootID ?? '',
    operatingSystem: status?.nodeInfo?.operatingSystem ?? '',
  };
}

/** What the API server calls those of whom it keeps no more than that they were there. */
const forgottenWriters = 'ancient-changes';

/**
 * Whoever changes a field owns it from then on, and one who applies it owns it with others.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
function hasForeignCordon(entries: ObjectMeta['managedFields'] = []): boolean {
  return entries.some(({ manager = '', fieldsV1 }) => {
    const written = fieldsV1?.['f:spec']?.['f:unschedulable'];
    return written !== undefined && manager !== fieldManager && manager !== forgottenWriters;
  });
}

function ours(annotations: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(annotationPrefix))
    .map(([key, value]) => [key.slice(annotationPrefix.length), value]);
}
