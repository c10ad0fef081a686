import { type NodeView, viewOfNode } from '../../cluster/node.ts';
import { annotationPrefix, nodeAnnotations } from '../../cluster/names.ts';
import { type NodeObject, nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { Config } from '../../config/load.ts';
import { NodetenderError } from '../../errors.ts';
import { staleVotes } from '../../reboot/hooks.ts';
import { marksPatch } from '../../reboot/marks.ts';
import { type RecordedPool, recordPatch } from '../../reboot/record.ts';
import type { State } from '../../reboot/state.ts';

type RebootConfig = Config['reboot'];

/** One of the machine's three ways to write. */
export interface StateWrite {
  readonly kind: 'record' | 'cordon' | 'uncordon';
  readonly before: State;
  readonly after: State;
  /** The Node by which the machine has decided. */
  readonly seen: NodeView;
  readonly config: Pick<RebootConfig, 'marks' | 'hooks'>;
  /** Of the node; told to people, and never gone by. */
  readonly pool: RecordedPool;
}

const deadlineMs = 10_000;

/** A watch that is behind must not have the machine go on over a hold, or over a request that was taken back. */
const decidedBy = [nodeAnnotations.rebootStatus, nodeAnnotations.hold, nodeAnnotations.reboot] as const;

/**
 * Puts a state on the Node in one patch with resourceVersion, and gives the Node that came of it. What the machine has decided by
 * must still be so: a kubelet that reports its health changes the resourceVersion, and a cordon does too. Throws ClusterError;
 * without an answer it is not known whether it was written.
 */
export async function writeState(
  port: Pick<KubernetesPort, 'get' | 'patch'>,
  { kind, before, after, seen, config, pool }: StateWrite,
  signal: AbortSignal,
): Promise<NodeObject> {
  const target = { name: seen.name };
  const found = await port.get(nodes, target, { signal, deadlineMs });
  refuseChanged(found, seen);
  const { metadata, spec } = found;
  const annotations = new Map(Object.entries(metadata.annotations ?? {}));
  const labels = new Map(Object.entries(metadata.labels ?? {}));
  const marks = marksPatch(
    { taints: spec?.taints ?? [], labels, annotations },
    {
      add: after.marks.filter((mark) => !before.marks.includes(mark)),
      remove: before.marks.filter((mark) => !after.marks.includes(mark)),
    },
    after.softTaint ?? before.softTaint ?? config.marks.preferNoScheduleTaint,
  );
  const record = recordPatch(after, pool);
  const votes = staleVotes(votersOf(before, after, config), annotations);
  const body = {
    metadata: {
      resourceVersion: metadata.resourceVersion,
      labels: { ...record.labels, ...marks.labels, ...labelsOf({ kind, before, after, config }) },
      annotations: {
        ...record.annotations,
        ...marks.annotations,
        ...Object.fromEntries(votes.map((key) => [key, null])),
      },
    },
    spec: {
      ...(kind === 'record' ? {} : { unschedulable: kind === 'cordon' ? true : null }),
      ...(marks.taints === undefined ? {} : { taints: marks.taints }),
    },
  };
  return await port.patch(nodes, target, { type: 'merge', body }, { signal, deadlineMs });
}

function refuseChanged(found: NodeObject, seen: NodeView): void {
  const { metadata, spec } = found;
  const isSame =
    metadata.uid === seen.uid &&
    (spec?.unschedulable ?? false) === seen.unschedulable &&
    viewOfNode(found).cordonedBySomebody === seen.cordonedBySomebody &&
    decidedBy.every((name) => metadata.annotations?.[`${annotationPrefix}${name}`] === seen.annotations.get(name));
  if (isSame) return;
  throw new NodetenderError(
    'cluster/conflict',
    `Node ${seen.name} has changed since it was last seen; it is looked at again`,
  );
}

/** Whose votes of an earlier reboot are taken off: of those who are asked from here on. */
function votersOf(before: State, after: State, { hooks }: StateWrite['config']) {
  // Also where somebody has cordoned it already, and the cordon is no write of ours.
  if (after.phase === 'cordoned' && before.phase === 'waiting') return hooks.before;
  // Each boot of a node that has yet to show that it is well is asked about anew.
  const isOfReboot = after.phase === 'verifying' && after.bootId !== before.bootId;
  if (isOfReboot && after.lastReboot?.announced !== false) return hooks.after;
  return { annotations: [], pods: [] };
}

/** They come with our cordon and go with it, also where a person was the one to take it off. */
function labelsOf({ kind, before, after, config }: Pick<StateWrite, 'kind' | 'before' | 'after' | 'config'>) {
  const { labelsBefore, labelsAfter } = config.marks;
  const isCordonGone = before.cordonedByUs && !after.cordonedByUs;
  const labels = kind === 'cordon' ? labelsBefore : isCordonGone ? labelsAfter : [];
  return Object.fromEntries(labels.map(({ key, value }) => [key, value]));
}
