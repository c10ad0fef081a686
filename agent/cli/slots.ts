import { poolLabel } from '../cluster/names.ts';
import { type LeaseObject, leases } from '../cluster/objects.ts';
import type { Scope } from '../cluster/port.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { type Slot, viewOfSlot } from '../reboot/lock/slot.ts';
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

/** Every slot that has ever been taken and whose Lease is still there, by name. Throws `usage` where one may not look everywhere. */
export async function listSlots(cluster: Cluster, signal: AbortSignal): Promise<readonly SeenSlot[]> {
  try {
    const { items } = await cluster.port.list(leases, slotScope(cluster), seenSlot, { signal });
    return items.toSorted((one, other) => (one.name < other.name ? -1 : Number(one.name > other.name)));
  } catch (error) {
    if (cluster.namespace !== undefined || !isNodetenderError(error, 'cluster/forbidden')) throw error;
    throw new NodetenderError(
      'usage',
      `cannot look for Leases in all namespaces; name the agents' with --namespace (${messageOf(error)})`,
      { cause: error },
    );
  }
}
