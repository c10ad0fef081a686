import { poolLabel } from '../cluster/names.ts';
import { type LeaseObject, leases } from '../cluster/objects.ts';
import type { Scope } from '../cluster/port.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { isSlot, type Slot, viewOfSlot } from '../reboot/lock/slot.ts';
import type { Cluster } from './cluster.ts';

/** The Lease of a slot, as one who may look into several namespaces sees it. */
export interface SeenSlot extends Slot {
  readonly namespace: string;
  readonly uid: string;
}

export function seenSlot(lease: LeaseObject): SeenSlot {
  const { namespace = '', uid } = lease.metadata;
  return { ...viewOfSlot(lease), namespace, uid };
}

/** The agents' namespace where it is given, else all. */
export function slotScope({ namespace }: Cluster): Scope {
  return { namespace, labelSelector: poolLabel };
}

/**
 * Every slot that has ever been taken and whose Lease is still there, by name. One that has lost its label is found in the agents'
 * namespace alone: in others there may be a Lease of each node. Throws `usage` where one may not look everywhere.
 */
export async function listSlots(cluster: Cluster, signal: AbortSignal): Promise<readonly SeenSlot[]> {
  try {
    const { namespace } = cluster;
    const scope = namespace === undefined ? slotScope(cluster) : { namespace };
    const seen = (lease: LeaseObject): SeenSlot | undefined => (isSlot(lease.metadata) ? seenSlot(lease) : undefined);
    const { items } = await cluster.port.list(leases, scope, seen, { signal });
    const slots = items.filter((slot) => slot !== undefined);
    return slots.toSorted((one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)));
  } catch (error) {
    if (cluster.namespace !== undefined || !isNodetenderError(error, 'cluster/forbidden')) throw error;
    throw new NodetenderError(
      'usage',
      `cannot look for Leases in all namespaces; name the agents' with --namespace (${messageOf(error)})`,
      { cause: error },
    );
  }
}
