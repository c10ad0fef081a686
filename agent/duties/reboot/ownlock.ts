import type { Clock } from '../../clock.ts';
import { RebootLock, type RebootLockOptions } from '../../reboot/lock/lock.ts';

export interface OwnLockOptions extends Omit<RebootLockOptions, 'node'> {
  readonly nodeName: string;
}

/** For so long after the last need, or the start, the Leases are followed: a write whose answer was lost may arrive late. */
const lingerMs = 10 * 60_000;

/**
 * The lock of this node while it is of use. Each Node object has one of its own, because what an earlier one of the same name
 * held is not ours; and a node that wants nothing follows no Leases, so that an idle agent costs the API server nothing for them.
 */
export class OwnLock {
  readonly #options: OwnLockOptions;
  readonly #clock: Clock;
  #followed:
    | { readonly lock: RebootLock; readonly uid: string; readonly stop: AbortController; readonly ended: Promise<void> }
    | undefined;
  #neededAtMs: number;

  constructor(options: OwnLockOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#neededAtMs = options.clock.monotonicMs();
  }

  /** Undefined while the Leases are not followed. */
  get current(): RebootLock | undefined {
    return this.#followed?.lock;
  }

  /** Begins or ends to follow the Leases for the Node of that UID. */
  follow(uid: string, isNeeded: boolean, signal: AbortSignal): void {
    const nowMs = this.#clock.monotonicMs();
    if (isNeeded) this.#neededAtMs = nowMs;
    const facts = this.current?.facts();
    // What is not known to be free of us is followed until it is.
    const isOver = nowMs - this.#neededAtMs >= lingerMs && (this.#followed === undefined || facts?.kind === 'none');
    if (this.#followed !== undefined && (isOver || this.#followed.uid !== uid)) this.#end();
    if (isOver || this.#followed !== undefined) return;
    const stop = new AbortController();
    const { nodeName, log } = this.#options;
    const lock = new RebootLock({
      ...this.#options,
      node: { name: nodeName, uid },
      onHealth: (problem) => {
        if (problem === undefined) log.info('the Leases of slots are followed again');
        else log.warn({ error: problem }, 'the Leases of slots cannot be followed: none can be taken or given back');
      },
    });
    this.#followed = { lock, uid, stop, ended: lock.run(AbortSignal.any([signal, stop.signal])) };
  }

  async end(): Promise<void> {
    const ended = this.#followed?.ended;
    this.#end();
    await ended;
  }

  #end(): void {
    this.#followed?.stop.abort();
    this.#followed = undefined;
  }
}
