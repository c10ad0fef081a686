import { leases } from '../../cluster/objects.ts';
import type { CallOptions, KubernetesPort } from '../../cluster/port.ts';
import { isSlot, type Slot, viewOfSlot } from './slot.ts';

/**
 * Every slot, of this moment. Watches go by the label of a slot, and a slot that somebody has taken it from is held all the
 * same: so all Leases of the namespace are read, of which there are a dozen or two besides. Throws ClusterError.
 */
export async function listSlots(
  port: Pick<KubernetesPort, 'list'>,
  namespace: string,
  options: CallOptions,
): Promise<readonly Slot[]> {
  const { items } = await port.list(
    leases,
    { namespace },
    (lease) => (isSlot(lease.metadata) ? viewOfSlot(lease) : undefined),
    options,
  );
  return items.filter((slot) => slot !== undefined);
}
