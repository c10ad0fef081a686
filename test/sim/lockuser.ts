import { Bell } from '../../agent/bell.ts';
import { stateLabel } from '../../agent/cluster/names.ts';
import { nodes } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { isNodetenderError } from '../../agent/errors.ts';
import { createLogger } from '../../agent/observe/log.ts';
import { RebootLock, type LockSettings } from '../../agent/reboot/lock/lock.ts';
import type { VirtualClock } from '../emulators/clock.ts';
import type { Chance } from './random.ts';

export const queuedAt = 'test/queued-at';
const log = createLogger({ level: 'error', stream: { write: () => undefined } });

/** What the users tell of themselves, in the order in which it happens. */
export interface LockWitness {
  /** From here to `left` a node counts as one of those that may be away. */
  entered(user: LockUser): void;
  left(user: LockUser): void;
  confirmed(user: LockUser): void;
}

export interface LockUserOptions {
  readonly name: string;
  readonly uid: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly settings: () => LockSettings;
  /** One life's way to the API server, with its losses. */
  readonly port: (life: AbortSignal) => KubernetesPort;
  /** Without losses, for what a node says of itself. */
  readonly admin: KubernetesPort;
  readonly witness: LockWitness;
  readonly clock: VirtualClock;
  readonly chance: Chance;
}

/** A node that wants one reboot: as the machine does, it goes by facts alone, and remembers two words through its crashes. */
export class LockUser {
  readonly options: LockUserOptions;
  phase: 'waiting' | 'holding' | 'away' | 'releasing' | 'done' = 'waiting';
  slot: string | undefined;
  #life = new AbortController();

  constructor(options: LockUserOptions) {
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  /** Begins another life. */
  start(): void {
    this.#life = new AbortController();
    void this.#live(this.#life.signal);
  }

  crash(): void {
    this.#life.abort();
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { name, uid, port, settings, labels, clock, chance } = this.options;
    const bell = new Bell();
    const lock = new RebootLock({
      port: port(signal),
      namespace: 'default',
      node: { name, uid },
      labels: () => labels,
      settings,
      recordedSlot: () => this.slot,
      queuedSince: ({ annotations }) => Number(annotations?.[queuedAt]),
      onChange: () => bell.ring(),
      log,
      clock,
      random: chance.next,
    });
    void lock.run(signal);
    if (this.phase === 'waiting') lock.queue();
    await this.#label();
    while (!signal.aborted) {
      try {
        await this.#step(lock, signal);
      } catch (error) {
        if (!isNodetenderError(error)) throw error;
      }
      if (signal.aborted) return;
      const over = new AbortController();
      const until = AbortSignal.any([signal, over.signal]);
      await Promise.race([bell.wait(until), clock.sleep(20_000, until)]);
      over.abort();
    }
  }

  async #step(lock: RebootLock, signal: AbortSignal): Promise<void> {
    const { clock, chance, witness } = this.options;
    const facts = lock.facts();
    if (facts === undefined) return;
    for (const surplus of facts.kind === 'held' ? facts.surplus : []) await lock.release(surplus, signal);
    switch (this.phase) {
      case 'waiting': {
        if (facts.kind === 'none' && !facts.turn) return;
        const attempt = await lock.acquire(signal);
        // Killed before it could say so: the next life finds the slot in its hand.
        if (signal.aborted || attempt.kind === 'refused') return;
        this.slot = attempt.slot;
        await this.#enter('holding');
        witness.entered(this);
        await clock.sleep(chance.between(1, 40_000), signal);
        return;
      }
      case 'holding':
        if (facts.kind === 'held' && facts.slot === this.slot) await this.#confirm(lock, facts.slot, signal);
        else await this.#lose();
        return;
      case 'away':
        await clock.sleep(chance.between(1, 60_000), signal);
        if (signal.aborted) return;
        witness.left(this);
        await this.#enter('releasing');
        return await this.#step(lock, signal);
      case 'releasing':
      case 'done':
        if (facts.kind === 'held') await lock.release(facts.slot, signal);
        else await this.#enter('done');
        return;
    }
  }

  async #confirm(lock: RebootLock, slot: string, signal: AbortSignal): Promise<void> {
    try {
      await lock.confirm(slot, signal);
    } catch (error) {
      if (!isNodetenderError(error, 'lock/lost')) throw error;
      return await this.#lose();
    }
    if (signal.aborted) return;
    this.options.witness.confirmed(this);
    await this.#enter('away');
  }

  async #lose(): Promise<void> {
    this.options.witness.left(this);
    this.slot = undefined;
    await this.#enter('waiting');
  }

  async #enter(phase: LockUser['phase']): Promise<void> {
    this.phase = phase;
    await this.#label();
  }

  async #label(): Promise<void> {
    const { admin, name, uid } = this.options;
    const labels = { [stateLabel]: this.phase === 'done' ? null : this.phase };
    // Of a Node that is gone nobody says anything any more.
    await admin.patch(nodes, { name }, { type: 'merge', body: { metadata: { uid, labels } } }).catch(() => undefined);
  }
}
