import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { type Backoff, backoffMs } from '../../backoff.ts';
import type { ClusterError } from '../../cluster/errors.ts';
import type { ObjectMeta } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { messageOf, NodetenderError } from '../../errors.ts';
import type { Logger } from '../../observe/log.ts';
import type { LockFacts } from '../state.ts';
import { excess, type Limits, shortage, type Shortage } from './budget.ts';
import type { Hint } from './hint.ts';
import type { ObservedSlot } from './holders.ts';
import { listWaiting } from './nodelists.ts';
import { poolOf, type Pools, slotsOf } from './pools.ts';
import { PoolSizes } from './poolsizes.ts';
import {
  confirmedBody,
  freedBody,
  isHeldBy,
  type LeaseBody,
  type NodeIdentity,
  type Slot,
  slotNames,
  takenBody,
} from './slot.ts';
import { type SeenSlot, SlotBook } from './slotbook.ts';
import { type SlotWrite, writeSlot, type Written } from './slotwriter.ts';
import { Strays } from './strays.ts';
import { roomAfter, slotCounts, successors } from './successors.ts';
import { type Opening, type Turn, turnOf } from './turn.ts';
import { describeHolder, describeWait } from './wording.ts';

export interface RebootLockOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'watch' | 'create' | 'patch' | 'lastHeardMs'>;
  /** The agent's own. */
  readonly namespace: string;
  /** Of this very Node object: with another UID begins another lock. */
  readonly node: NodeIdentity;
  /** Of the Node as it is now. */
  readonly labels: () => ReadonlyMap<string, string>;
  readonly settings: () => LockSettings;
  /** The Lease that the record on the Node names, if any: of several held ones, it is the one that counts. */
  readonly recordedSlot: () => string | undefined;
  /** Reads from a waiting Node since when it has been in the queue; wall clock. */
  readonly queuedSince: (metadata: ObjectMeta) => number | undefined;
  /** Called when `facts` may have changed, also because a turn has come. Must not throw. */
  readonly onChange: () => void;
  readonly onHealth?: ((problem: ClusterError | undefined) => void) | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

export interface LockSettings {
  readonly pools: Pools;
  /** A held Lease that we have seen unchanged for so long counts as free. Undefined: never, and only so the budget is kept. */
  readonly staleAfterMs: number | undefined;
}

/** Those of this node, and the configuration that they were read from. */
interface OwnLimits extends Limits {
  readonly configured: Pools;
}

/** What came of an attempt to get a slot. */
export type Attempt =
  | { readonly kind: 'acquired'; readonly slot: string }
  | {
      readonly kind: 'refused';
      readonly code: Shortage['code'] | 'lost-race' | 'taken-away' | 'not-our-turn';
      readonly text: string;
    };

/** After more were held than may be: everybody who saw it gave back, and must not come back together. */
const againBackoff: Backoff = { firstMs: 4_000, longestMs: 60_000 };

/** How old the sizes of pools may be. */
const poolSizesForMs = { attempt: 60_000, waiting: 3_600_000 };

/** What neither a watch nor a turn tells: a changed configuration, a slot gone stale. */
const lookAgainMs = 30_000;

/**
 * One node's way to one of the slots of its pool. Each call is one attempt; what is known at any moment are its `facts`. No
 * clock of another machine is compared, and nothing but an answer of the API server makes a slot ours.
 */
export class RebootLock {
  readonly #options: RebootLockOptions;
  readonly #book: SlotBook;
  readonly #strays: Strays;
  readonly #poolSizes: PoolSizes;
  readonly #bell = new Bell();
  #opening: Opening | undefined;
  /** Room that comes after this has been given back by somebody. */
  #wasFull = false;
  #held: { readonly slot: string; readonly sinceMs: number; readonly checked: boolean } | undefined;
  #refusals = 0;
  /** The recorded slot may be held without a label, and so unseen. */
  #isSeeking = true;
  #running: AbortSignal | undefined;
  /** Monotonic. */
  #notBeforeMs = 0;

  constructor(options: RebootLockOptions) {
    this.#options = options;
    this.#strays = new Strays(options.port, options.clock);
    this.#poolSizes = new PoolSizes(options.port, options.clock);
    this.#book = new SlotBook({
      ...options,
      onChange: () => this.#changed(),
      isOurs: (slot) => isHeldBy(slot, options.node),
      onVanished: ({ name }) => void this.#restore(name),
    });
  }

  /** Follows the Leases until `signal` aborts, and says when a turn has come. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = signal;
    void this.#seekRecorded(signal);
    await Promise.all([this.#book.run(signal), this.#announceTurns(signal)]);
  }

  /**
   * A node begins to wait: to be called once, then. A thousand that a window lets in at the same moment find a free slot free for
   * long, and must not all try at once.
   */
  queue(): void {
    this.#opening = undefined;
    this.#wasFull = false;
    this.#bell.ring();
  }

  /** Every slot of every pool, as far as they are known. */
  slots(): readonly ObservedSlot[] {
    const nowMs = this.#options.clock.monotonicMs();
    return this.#book.all().map((slot) => ({ ...slot, unchangedForMs: nowMs - slot.seenAtMs }));
  }

  /** Slots of the node's pool. Undefined while the pool's size is not known, and they are a share of it. */
  poolSlots(): number | undefined {
    const { settings, labels } = this.#options;
    const pool = poolOf(settings().pools, labels());
    const size = this.#poolSizes.of(pool.name);
    return 'percent' in pool.concurrency && size === undefined ? undefined : slotsOf(pool, size ?? 0);
  }

  /** Undefined until all Leases have been read once. */
  facts(): LockFacts | undefined {
    if (!this.#book.synced || this.#isSeeking) return undefined;
    if (this.#held === undefined) {
      const limits = this.#limits();
      return {
        kind: 'none',
        turn: this.#dueTurn() !== undefined,
        waitingFor: describeWait(shortage(this.#all(limits), limits), limits),
      };
    }
    const { slot, sinceMs, checked } = this.#held;
    const surplus = this.#ours().flatMap(({ name }) => (name === slot ? [] : [name]));
    return { kind: 'held', slot, heldForMs: this.#options.clock.monotonicMs() - sinceMs, checked, surplus };
  }

  /**
   * Takes a free slot when it is our turn, then lists all held ones, and gives it back where there are too many. A slot in hand
   * is written once more before the list: giving it back may have been tried, and that write may be late. Throws ClusterError;
   * then `facts` say what is in hand, as soon as that is known.
   */
  async acquire(signal: AbortSignal): Promise<Attempt> {
    await this.#learnPoolSizes(poolSizesForMs.attempt, signal);
    // To look costs less than to take a slot, and to give it back because of what is seen then.
    const look = { pool: this.#limits().pool, anew: false };
    if (this.#held === undefined) await this.#strays.look(this.#book.all(), look, signal);
    const limits = this.#limits();
    const inHand = this.#held?.slot;
    const slot = inHand ?? this.#dueTurn()?.slot;
    if (slot === undefined) return this.#notYet(limits);
    const { done, known } =
      inHand === undefined ? await this.#take(slot, limits, signal) : await this.#renew(slot, signal);
    if (!done) {
      const text = known === undefined ? `Lease ${slot} is gone` : describeHolder(known);
      return { kind: 'refused', code: 'lost-race', text };
    }
    try {
      return await this.#check(limits, signal);
    } catch (error) {
      if (!signal.aborted) await this.#backOut(slot, signal);
      throw error;
    }
  }

  /** A slot of which nobody can say whether it may be kept is not kept from the others. Never rejects: what stood in the way is told. */
  async #backOut(slot: string, signal: AbortSignal): Promise<void> {
    this.#comeBackLater();
    try {
      await this.#free(slot, undefined, signal);
    } catch (error) {
      this.#options.log.warn(
        { slot, problem: messageOf(error) },
        'a slot could not be given back; it is weighed again',
      );
    }
  }

  /** One more write on the Lease, on condition that it is still ours. Throws `lock/lost` or ClusterError: no reboot then. */
  async confirm(slot: string, signal: AbortSignal): Promise<void> {
    const { node } = this.#options;
    const { done, known } = await this.#renew(slot, signal);
    if (done) return;
    const found = known === undefined ? 'there is no such Lease' : describeHolder(known);
    throw new NodetenderError(
      'lock/lost',
      `expected node ${node.name} (UID ${node.uid}) to hold Lease ${slot}, but ${found}. It was freed by somebody else, or by the end of the Node object`,
    );
  }

  /** Gives a slot back, to the oldest waiting. Without effect where it is not ours. Throws ClusterError. */
  async release(slot: string, signal: AbortSignal): Promise<void> {
    // Without an answer it may be on its way: what is still in hand then is to be renewed before anything is built on it.
    if (this.#held?.slot === slot) this.#held = { ...this.#held, checked: false };
    await this.#free(slot, await this.#successors(slot, signal), signal);
  }

  async #take(name: string, { pool }: Limits, signal: AbortSignal): Promise<Written> {
    const { node, clock } = this.#options;
    return await this.#write(
      {
        name,
        body: (known) => takenBody(known, pool, node, clock.nowMs()),
        mayWrite: (known) => known === undefined || this.#freed(known).holder === undefined,
        isDone: (known) => known !== undefined && isHeldBy(known, node),
      },
      signal,
    );
  }

  /** One conditional write on a slot that is ours. What we wrote before and is still on its way then comes too late. */
  async #renew(name: string, signal: AbortSignal): Promise<Written> {
    const { node, clock } = this.#options;
    const before = this.#book.get(name);
    // A write that changes nothing is none to the API server.
    const nowMs = clock.nowMs() + (before?.renewedAtMs === clock.nowMs() ? 1 : 0);
    const isOurs = (known: Slot | undefined): boolean => known !== undefined && isHeldBy(known, node);
    const isDone = (known: Slot | undefined): boolean =>
      isOurs(known) && known?.renewedAtMs === nowMs && known.resourceVersion !== before?.resourceVersion;
    const body = (known: Slot | undefined): LeaseBody => confirmedBody(known?.pool ?? '', nowMs);
    return await this.#write({ name, body, mayWrite: isOurs, isDone }, signal);
  }

  /** What a watch does not show any more is deleted, or has lost its label: that is put back, so that all others see it again. */
  async #restore(name: string): Promise<void> {
    const signal = this.#running;
    if (signal === undefined) return;
    try {
      await this.#renew(name, signal);
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn({ slot: name, problem: messageOf(error) }, 'a slot is out of sight');
    }
  }

  /** Once the watched slots are known: is the recorded one, which is none of them, there all the same? */
  async #seekRecorded(signal: AbortSignal): Promise<void> {
    await this.#book.whenSynced();
    const recorded = this.#options.recordedSlot();
    const isUnseen = !signal.aborted && recorded !== undefined && this.#book.get(recorded) === undefined;
    if (isUnseen) await this.#restore(recorded);
    this.#isSeeking = false;
    this.#changed();
  }

  /** Whoever takes a slot writes before it reads: of those who are too many, the last to write sees all the others. */
  async #check(limits: OwnLimits, signal: AbortSignal): Promise<Attempt> {
    const found = await this.#book.list(signal);
    await this.#strays.look(found, { pool: limits.pool, anew: true }, signal);
    const listed = found.map((slot) => this.#counted(slot, limits));
    const slot = this.#held?.slot;
    const isListed = listed.some((one) => one.name === slot && isHeldBy(one, this.#options.node));
    if (slot === undefined || !isListed) {
      // By the garbage collector it is each time, where the Node was registered anew and we have not heard of it.
      this.#comeBackLater();
      if (slot !== undefined) await this.#book.read(slot, signal);
      return { kind: 'refused', code: 'taken-away', text: `${slot ?? 'the slot'} was taken from us at once` };
    }
    const over = excess(listed, limits);
    if (over === undefined) {
      this.#held = { slot, sinceMs: this.#held?.sinceMs ?? 0, checked: true };
      this.#refusals = 0;
      return { kind: 'acquired', slot };
    }
    this.#comeBackLater();
    await this.#free(slot, undefined, signal);
    return { kind: 'refused', code: over.code, text: describeWait(over, limits) };
  }

  #comeBackLater(): void {
    const { clock, random } = this.#options;
    this.#refusals += 1;
    this.#notBeforeMs = clock.monotonicMs() + backoffMs(againBackoff, this.#refusals, random);
  }

  async #free(name: string, hint: Hint | undefined, signal: AbortSignal): Promise<void> {
    const { node, clock } = this.#options;
    const isOurs = (known: Slot | undefined): boolean => known !== undefined && isHeldBy(known, node);
    const body = (): LeaseBody => freedBody(hint, clock.nowMs());
    await this.#write({ name, body, mayWrite: isOurs, isDone: (known) => !isOurs(known) }, signal);
  }

  async #write(write: SlotWrite, signal: AbortSignal): Promise<Written> {
    const { port, namespace } = this.#options;
    return await writeSlot(port, this.#book, namespace, write, signal);
  }

  /** A hint is worth one list, and never a slot that stays held. */
  async #successors(name: string, signal: AbortSignal): Promise<Hint | undefined> {
    const { port, queuedSince, settings, node, log } = this.#options;
    const slot = this.#book.get(name);
    if (slot === undefined) return undefined;
    const { pools } = settings();
    try {
      const waiting = (await listWaiting(port, queuedSince, signal)).filter((one) => one.name !== node.name);
      const counts = slotCounts(pools, this.#poolSizes.all());
      return successors(waiting, pools, roomAfter(slot, this.#all(this.#limits()), pools, counts));
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn(
        { slot: name, problem: messageOf(error) },
        'the waiting nodes could not be listed: the slot goes to any',
      );
      return undefined;
    }
  }

  #notYet(limits: OwnLimits): Attempt {
    const missing = shortage(this.#all(limits), limits);
    if (missing !== undefined) return { kind: 'refused', code: missing.code, text: describeWait(missing, limits) };
    return { kind: 'refused', code: 'not-our-turn', text: 'others are named to take it first' };
  }

  #dueTurn(): Turn | undefined {
    const turn = this.#turn();
    return turn !== undefined && turn.atMs <= this.#options.clock.monotonicMs() ? turn : undefined;
  }

  /** Undefined while there is no room for one more. */
  #turn(): Turn | undefined {
    const limits = this.#limits();
    const all = this.#all(limits);
    const nowMs = this.#options.clock.monotonicMs();
    if (shortage(all, limits) !== undefined) {
      this.#opening = undefined;
      this.#wasFull = true;
      return undefined;
    }
    this.#opening ??= { sinceMs: nowMs, wasThere: !this.#wasFull, draw: this.#options.random() };
    const turn = turnOf(this.#options.node.name, slotNames(limits.pool, limits.slots), all, this.#opening);
    return turn && { slot: turn.slot, atMs: Math.max(turn.atMs, this.#notBeforeMs) };
  }

  #all(limits: OwnLimits): SeenSlot[] {
    return this.#book.all().map((slot) => this.#counted(slot, limits));
  }

  /** As the budget has it. The configuration may change while others are listed: one and the same for all that is compared. */
  #counted<S extends Slot>(slot: S, { pool, configured }: OwnLimits): S {
    return this.#strays.counted(this.#freed(slot), pool, configured);
  }

  /** One that has gone stale as a free one. */
  #freed<S extends Slot>(slot: S): S {
    const { settings, clock, node } = this.#options;
    const { staleAfterMs } = settings();
    const seen = this.#book.get(slot.name);
    if (staleAfterMs === undefined || seen?.resourceVersion !== slot.resourceVersion || isHeldBy(slot, node))
      return slot;
    return clock.monotonicMs() - seen.seenAtMs < staleAfterMs ? slot : { ...slot, holder: undefined };
  }

  #ours(): SeenSlot[] {
    return this.#book.all().filter((slot) => isHeldBy(slot, this.#options.node));
  }

  #limits(): OwnLimits {
    const { settings, labels } = this.#options;
    const { pools } = settings();
    const pool = poolOf(pools, labels());
    const slots = slotsOf(pool, this.#poolSizes.of(pool.name) ?? 0);
    const names = new Set(pools.list.map(({ name }) => name));
    return { pool: pool.name, slots, cap: pools.cap, pools: names, configured: pools };
  }

  async #learnPoolSizes(maxAgeMs: number, signal: AbortSignal): Promise<void> {
    const { settings, labels } = this.#options;
    await this.#poolSizes.learn(settings().pools, labels(), { maxAgeMs, signal });
  }

  #changed(): void {
    const ours = this.#ours().map(({ name }) => name);
    const recorded = this.#options.recordedSlot();
    const kept = [recorded, this.#held?.slot].find((name) => name !== undefined && ours.includes(name));
    const slot = kept ?? ours[0];
    if (slot === undefined) this.#held = undefined;
    else if (slot !== this.#held?.slot) {
      this.#held = { slot, sinceMs: this.#options.clock.monotonicMs(), checked: false };
    }
    this.#bell.ring();
    this.#options.onChange();
  }

  /** A turn comes by the passing of time, which no watch tells. */
  async #announceTurns(signal: AbortSignal): Promise<void> {
    const { clock, onChange } = this.#options;
    while (!signal.aborted) {
      // Where the API server is away, the next look tries again; until then the pool is taken for a small one.
      await this.#learnPoolSizes(poolSizesForMs.waiting, signal).catch(() => undefined);
      const turn = this.#book.synced && this.#held === undefined ? this.#turn() : undefined;
      const waitMs = turn === undefined ? lookAgainMs : turn.atMs - clock.monotonicMs();
      const isDue = waitMs <= 0;
      if (isDue) onChange();
      await this.#bell.waitAtMost(isDue ? lookAgainMs : waitMs, clock, signal);
    }
  }
}
