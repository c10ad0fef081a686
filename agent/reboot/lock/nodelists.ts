import { stateLabel } from '../../cluster/names.ts';
import { nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { ObjectMeta } from '../../cluster/objects.ts';
import { poolOf, type Pools } from './pools.ts';
import type { WaitingNode } from './successors.ts';

type Lister = Pick<KubernetesPort, 'list'>;

/** A thousand nodes are a megabyte or two of metadata. */
const listDeadlineMs = 10_000;

/**
 * Every node that waits for a slot, whatever its pool. `queuedSince` reads its place in the queue from what it wrote on its
 * Node; where that cannot be read the node comes last.
 */
export async function listWaiting(
  port: Lister,
  queuedSince: (metadata: ObjectMeta) => number | undefined,
  signal: AbortSignal,
): Promise<readonly WaitingNode[]> {
  const scope = { labelSelector: `${stateLabel}=waiting`, metadataOnly: true };
  const { items } = await port.list(
    nodes,
    scope,
    ({ metadata }) => ({
      name: metadata.name,
      labels: labelsOf(metadata),
      queuedSinceMs: queuedSince(metadata) ?? Number.MAX_SAFE_INTEGER,
    }),
    { signal, deadlineMs: listDeadlineMs },
  );
  return items;
}

/** How many nodes each pool has. */
export async function countPools(port: Lister, pools: Pools, signal: AbortSignal): Promise<Map<string, number>> {
  const { items } = await port.list(
    nodes,
    { metadataOnly: true },
    ({ metadata }) => poolOf(pools, labelsOf(metadata)).name,
    { signal, deadlineMs: listDeadlineMs },
  );
  const sizes = new Map<string, number>();
  for (const pool of items) sizes.set(pool, (sizes.get(pool) ?? 0) + 1);
  return sizes;
}

/** Of one node; undefined where there is none of that name. */
export async function labelsOfNode(
  port: Lister,
  name: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string> | undefined> {
  const scope = { fieldSelector: `metadata.name=${name}`, metadataOnly: true };
  const { items } = await port.list(nodes, scope, ({ metadata }) => labelsOf(metadata), {
    signal,
    deadlineMs: listDeadlineMs,
  });
  return items[0];
}

function labelsOf({ labels = {} }: ObjectMeta): ReadonlyMap<string, string> {
  return new Map(Object.entries(labels));
}
