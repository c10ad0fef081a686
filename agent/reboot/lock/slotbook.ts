import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { type Backoff, backoffMs } from '../../backoff.ts';
import type { ClusterError } from '../../cluster/errors.ts';
import { poolLabel } from '../../cluster/names.ts';
import { type LeaseObject, leases } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { Watched } from '../../cluster/watch.ts';
import { isNodetenderError } from '../../errors.ts';
import { type Slot, viewOfSlot } from './slot.ts';
import { listSlots } from './slotlist.ts';

export interface SlotBookOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'watch' | 'lastHeardMs'>;
  /** The agent's own. */
  readonly namespace: string;
  readonly onChange: () => void;
  /** A slot that is held by this node is not among those that are watched any more. */
  readonly isOurs: (slot: Slot) => boolean;
  readonly onVanished: (slot: Slot) => void;
  readonly onHealth?: ((problem: ClusterError | undefined) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export interface SeenSlot extends Slot {
  /** Monotonic time since which it has been seen as it is. */
  readonly seenAtMs: number;
}

/** An API server answers these in milliseconds, or is ill. */
export const slotDeadlineMs = 5_000;

/**
 * A node that waits must hear of a slot that is free. The nodes' own Leases change all the time, so API servers send bookmarks to this
 * watch about once a minute, and one that has had none for so long hangs. Behind a server without bookmarks being wrong costs six
 * requests in all.
 */
const quietLimitMs = 10 * 60_000;

/** What the watch does not confirm by itself within a second or two is asked for. */
const doubtBackoff: Backoff = { firstMs: 2_000, longestMs: 60_000 };

/**
 * The Leases of all pools as far as they are known: what a watch tells, and above that the answers to our own requests for
 * as long as the watch has not come to them.
 */
export class SlotBook {
  readonly #options: SlotBookOptions;
  readonly #watched: Watched<LeaseObject, SeenSlot>;
  /** By name, where an answer and the watch differ; undefined: there was no such Lease. */
  readonly #answers = new Map<string, SeenSlot | undefined>();
  readonly #doubt = new Bell();

  constructor(options: SlotBookOptions) {
    this.#options = options;
    const { namespace, onChange } = options;
    this.#watched = new Watched<LeaseObject, SeenSlot>({
      ...options,
      resource: leases,
      quietLimitMs,
      scope: { namespace, labelSelector: poolLabel },
      project: (lease) => this.#seen(lease),
      onChange: (change) => {
        if (change.type === 'deleted') this.#vanished(change.before);
        else this.#compare(change.value.name);
        onChange();
      },
    });
  }

  /** Whether all Leases have ever been read. */
  get synced(): boolean {
    return this.#watched.synced;
  }

  /** Never resolves where they are never read. */
  async whenSynced(): Promise<void> {
    await this.#watched.whenSynced();
  }

  get(name: string): SeenSlot | undefined {
    return this.#answers.has(name) ? this.#answers.get(name) : this.#watched.get(this.#key(name));
  }

  all(): SeenSlot[] {
    const slots = this.#watched.values().filter(({ name }) => !this.#answers.has(name));
    for (const slot of this.#answers.values()) if (slot !== undefined) slots.push(slot);
    return slots.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Keeps what a write was answered with. */
  put(lease: LeaseObject): Slot {
    const slot = this.#seen(lease);
    this.#answered(slot.name, slot);
    return slot;
  }

  /** Asks for one Lease; undefined where there is none. */
  async read(name: string, signal: AbortSignal): Promise<Slot | undefined> {
    const { port, namespace } = this.#options;
    try {
      return this.put(await port.get(leases, { namespace, name }, { signal, deadlineMs: slotDeadlineMs }));
    } catch (error) {
      if (!isNodetenderError(error, 'cluster/not-found')) throw error;
      this.#answered(name, undefined);
      return undefined;
    }
  }

  /** Asks for all of them, of this moment: not what a watch has told so far. */
  async list(signal: AbortSignal): Promise<readonly Slot[]> {
    const { port, namespace } = this.#options;
    return await listSlots(port, namespace, { signal, deadlineMs: slotDeadlineMs });
  }

  /** Follows the API server until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    void this.#announceFirstList();
    await Promise.all([this.#watched.run(signal), this.#settle(signal)]);
  }

  /** That there is no Lease at all is news too. */
  async #announceFirstList(): Promise<void> {
    await this.#watched.whenSynced();
    this.#options.onChange();
  }

  #answered(name: string, slot: SeenSlot | undefined): void {
    this.#answers.set(name, slot);
    this.#compare(name);
    if (this.#answers.size > 0) this.#doubt.ring();
    this.#options.onChange();
  }

  /** One that has lost its label looks like one that is gone: what is ours stays so until it was asked for. */
  #vanished(slot: SeenSlot): void {
    if (this.#options.isOurs(slot) && !this.#answers.has(slot.name)) {
      this.#answers.set(slot.name, slot);
      this.#doubt.ring();
      this.#options.onVanished(slot);
    } else this.#compare(slot.name);
  }

  /** Versions have no order: one that differs may be older than the answer, or newer. */
  #compare(name: string): void {
    const watched = this.#watched.get(this.#key(name));
    if (watched?.resourceVersion === this.#answers.get(name)?.resourceVersion) this.#answers.delete(name);
  }

  /** Asks again for what an answer and the watch do not agree on. */
  async #settle(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let rounds = 0;
    while (!signal.aborted) {
      if (this.#answers.size === 0) {
        rounds = 0;
        await this.#doubt.wait(signal);
      }
      const doubtful = [...this.#answers.keys()];
      rounds += 1;
      await clock.sleep(backoffMs(doubtBackoff, rounds, random), signal);
      for (const name of doubtful) {
        if (signal.aborted) return;
        // Where the API server is away the watch says so.
        if (this.#answers.has(name)) await this.read(name, signal).catch(() => undefined);
      }
    }
  }

  #seen(lease: LeaseObject): SeenSlot {
    const slot = viewOfSlot(lease);
    const known = this.get(slot.name);
    const isKnown = known?.resourceVersion === slot.resourceVersion;
    return { ...slot, seenAtMs: isKnown ? known.seenAtMs : this.#options.clock.monotonicMs() };
  }

  #key(name: string): string {
    return `${this.#options.namespace}/${name}`;
  }
}
