import type { SeenSlot } from '../../../../agent/reboot/lock/slotbook.ts';

/** A free slot `nodetender-<pool>-<index>`, or one held by a node whose UID is `uid of <node>`. */
export function slot(name: string, over: Partial<SeenSlot> & { readonly heldBy?: string } = {}): SeenSlot {
  const { heldBy, ...rest } = over;
  return {
    name: `nodetender-${name}`,
    pool: name.replace(/-\d+$/, ''),
    resourceVersion: '1',
    holder: heldBy === undefined ? undefined : { node: heldBy, uid: `uid of ${heldBy}` },
    hint: undefined,
    acquiredAtMs: undefined,
    renewedAtMs: undefined,
    seenAtMs: 0,
    ...rest,
  };
}
