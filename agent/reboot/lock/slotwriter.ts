import type { LeaseObject } from '../../cluster/objects.ts';
import { leases } from '../../cluster/objects.ts';
import { ClusterError } from '../../cluster/errors.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { isNodetenderError } from '../../errors.ts';
import type { LeaseBody, Slot } from './slot.ts';
import { type SlotBook, slotDeadlineMs } from './slotbook.ts';

/** A write that depends on what the Lease is when it happens. */
export interface SlotWrite {
  readonly name: string;
  readonly body: (known: Slot | undefined) => LeaseBody;
  /** Whether the Lease as it is known (undefined: there is none) is one to write. */
  readonly mayWrite: (known: Slot | undefined) => boolean;
  /** Whether a write of ours, whose answer was lost, has made it what it is. */
  readonly isDone: (known: Slot | undefined) => boolean;
}

/** What came of it. `refused`: it is not one to write; `known` is what it is instead. */
export type Written = { readonly done: boolean; readonly known: Slot | undefined };

/** Each but the first follows a read; together they are over in half a minute at most. */
const maxAttempts = 3;

/**
 * Writes one Lease as it is known, and nothing else. A write without an answer may have happened, or may still happen: the
 * Lease is read again, and where it looks untouched the same write is repeated under the same version, so that no more than
 * one of the two can come through.
 */
export async function writeSlot(
  port: Pick<KubernetesPort, 'create' | 'patch'>,
  book: SlotBook,
  namespace: string,
  write: SlotWrite,
  signal: AbortSignal,
): Promise<Written> {
  const { name, body, mayWrite, isDone } = write;
  const options = { signal, deadlineMs: slotDeadlineMs };
  let known: Slot | undefined = book.get(name);
  // A refusal rests on an answer, never on what a watch has not told yet.
  if (!mayWrite(known)) known = await book.read(name, signal);
  for (let attempts = 1; ; attempts += 1) {
    if (!mayWrite(known)) return { done: false, known };
    const { metadata, spec } = body(known);
    try {
      const written =
        known === undefined
          ? await port.create<LeaseObject>(leases, namespace, { metadata: { ...metadata, name }, spec }, options)
          : await port.patch(
              leases,
              { namespace, name },
              { type: 'merge', body: { metadata: { ...metadata, resourceVersion: known.resourceVersion }, spec } },
              options,
            );
      return { done: true, known: book.put(written) };
    } catch (error) {
      if (signal.aborted || !mayBeTriedAgain(error)) throw error;
      known = await book.read(name, signal);
      if (isDone(known)) return { done: true, known };
      if (attempts === maxAttempts) throw error;
    }
  }
}

/** It lost against another write, or nobody knows what came of it. */
function mayBeTriedAgain(error: unknown): boolean {
  if (isNodetenderError(error, 'cluster/conflict', 'cluster/already-exists', 'cluster/not-found')) return true;
  return error instanceof ClusterError && !error.notApplied;
}
