import type { Clock } from '../clock.ts';
import { encodeStatus, type NodeStatus } from '../cluster/records.ts';

export interface StatusOptions {
  readonly current: () => NodeStatus;
  readonly write: (value: string) => void;
  readonly clock: Clock;
}

/** Counts of images and the like change all the time; each write is seen by everybody who watches Nodes. */
const refreshMs = 3_600_000;
/** Between two writes that only a change of state calls for. */
const leastMs = 5_000;
/** A state that comes and goes within this is not told: with a thousand nodes cleaned at once that is a thousand writes. */
const lastingMs = 1_000;

/** Writes what the agent is doing: at the start, when that changes, and every hour. */
export class StatusKeeper {
  readonly #options: StatusOptions;
  #written: { readonly state: string; readonly atMs: number } | undefined;
  /** The state that differs from what is written, and since when. */
  #differing: { readonly state: string; readonly sinceMs: number } | undefined;

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  /** To be called every few seconds, and when something has changed. */
  look(): void {
    const { current, write, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const status = current();
    const state = stateOf(status);
    const sinceMs = this.#written === undefined ? Number.POSITIVE_INFINITY : nowMs - this.#written.atMs;
    const isTold = state === this.#written?.state;
    if (isTold) this.#differing = undefined;
    else if (this.#differing?.state !== state) this.#differing = { state, sinceMs: nowMs };
    const isLasting = this.#differing !== undefined && nowMs - this.#differing.sinceMs >= lastingMs;
    if (sinceMs >= refreshMs || (isLasting && sinceMs >= leastMs)) write(this.#take(status));
  }

  /** What is to be written beside something else that is written anyway. */
  now(): string {
    return this.#take(this.#options.current());
  }

  #take(status: NodeStatus): string {
    this.#differing = undefined;
    this.#written = { state: stateOf(status), atMs: this.#options.clock.monotonicMs() };
    return encodeStatus(status);
  }
}

/** What is worth a write of its own. The reason is told anew only with its kind: it may count minutes. */
function stateOf({ version, state, images, waiting }: NodeStatus): string {
  return JSON.stringify([version, state, images === null, waiting?.replaceAll(/\d+/g, '#')]);
}
