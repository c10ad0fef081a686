import { nextAnnotation, poolLabel } from '../../cluster/names.ts';
import type { LeaseObject } from '../../cluster/objects.ts';
import { decodeHint, encodeHint, type Hint } from './hint.ts';

/** A node, and which one of those that have borne its name. */
export interface NodeIdentity {
  readonly name: string;
  readonly uid: string;
}

/** What is kept of the Lease of a slot. */
export interface Slot {
  readonly name: string;
  readonly pool: string;
  readonly resourceVersion: string;
  /** Undefined: the slot is free. */
  readonly holder: Holder | undefined;
  /** Of a free slot. */
  readonly hint: Hint | undefined;
  /** Of a held slot: when it was taken, by the holder's clock. */
  readonly acquiredAtMs: number | undefined;
  /** When the holder last wrote: taking it, and immediately before the reboot. */
  readonly renewedAtMs: number | undefined;
}

interface Holder {
  readonly node: string;
  /** Undefined where the Lease names no owner, as one that was edited by hand may not. */
  readonly uid: string | undefined;
}

/** The Leases of a pool. */
export function slotNames(pool: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `nodetender-${pool}-${index}`);
}

/** The pool that a Lease of such a name is of. It cannot be edited, as labels can. */
function poolInName(name: string): string | undefined {
  return /^nodetender-(.+)-\d+$/.exec(name)?.[1];
}

/** Whether a Lease of the agents' namespace is a slot, also where somebody has taken its label away. */
export function isSlot({ name, labels }: LeaseObject['metadata']): boolean {
  return labels?.[poolLabel] !== undefined || poolInName(name) !== undefined;
}

export function viewOfSlot({ metadata, spec }: LeaseObject): Slot {
  const { name, resourceVersion, labels, annotations, ownerReferences = [], deletionTimestamp } = metadata;
  const by = spec?.holderIdentity ?? '';
  const uid = ownerReferences.find((owner) => owner.kind === 'Node' && owner.name === by)?.uid;
  // A Lease on its way out belongs to nobody any more, and cannot be taken before it is gone.
  const isGoing = deletionTimestamp !== undefined;
  return {
    name,
    pool: poolInName(name) ?? labels?.[poolLabel] ?? '',
    resourceVersion,
    holder: by === '' && !isGoing ? undefined : { node: by, uid: isGoing ? undefined : uid },
    hint: by === '' ? decodeHint(annotations?.[nextAnnotation]) : undefined,
    acquiredAtMs: timeOf(spec?.acquireTime),
    renewedAtMs: timeOf(spec?.renewTime),
  };
}

/** Held by this very node: one that was registered again under the same name holds nothing. */
export function isHeldBy({ holder }: Slot, { name, uid }: NodeIdentity): boolean {
  return holder?.node === name && holder.uid === uid;
}

/**
 * The bodies of the three writes. The owner makes the garbage collector delete the Lease with its holder's Node. No duration:
 * a held slot never expires.
 */
export function takenBody(
  known: Slot | undefined,
  pool: string,
  { name, uid }: NodeIdentity,
  nowMs: number,
): LeaseBody {
  const now = microTime(nowMs);
  return {
    metadata: {
      labels: { [poolLabel]: pool },
      // A patch takes away what is null; a new object may not have it.
      ...(known === undefined ? {} : { annotations: { [nextAnnotation]: null } }),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }],
    },
    spec: { holderIdentity: name, acquireTime: now, renewTime: now },
  };
}

export function confirmedBody(pool: string, nowMs: number): LeaseBody {
  return { metadata: { labels: { [poolLabel]: pool } }, spec: { renewTime: microTime(nowMs) } };
}

export function freedBody(hint: Hint | undefined, nowMs: number): LeaseBody {
  const annotations = { [nextAnnotation]: hint === undefined ? null : encodeHint(hint) };
  return {
    metadata: { ownerReferences: null, annotations },
    spec: { holderIdentity: '', acquireTime: null, renewTime: microTime(nowMs) },
  };
}

export interface LeaseBody {
  readonly metadata: object;
  readonly spec: object;
}

/** MicroTime: RFC 3339 with six digits of fraction. */
function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace('Z', '000Z');
}

function timeOf(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}
