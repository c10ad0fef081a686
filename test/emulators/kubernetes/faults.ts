import type { Verb } from './requests.ts';

/** A request that arrived, for counting and for choosing whom a fault strikes. */
export interface Arrival {
  readonly user: string;
  readonly verb: Verb;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** Path with query. */
  readonly url: string;
  readonly atMs: number;
}

export interface Fault {
  /** Every request where left out. */
  readonly matches?: (arrival: Arrival) => boolean;
  /** How many requests it strikes; every one where left out. */
  readonly times?: number;
  /** Requests to let pass first. */
  readonly after?: number;
  readonly latencyMs?: number;
  /** The request is refused before anything is done. */
  readonly refuse?: { readonly status: number; readonly reason?: string; readonly retryAfterSeconds?: number };
  /** Answered with this text in place of the real answer, before anything is done: what proxies and broken servers say. */
  readonly reply?: { readonly status: number; readonly contentType: string; readonly body: string };
  /** Never answered, and nothing is done. */
  readonly hang?: boolean;
  /** The connection is cut: before anything is done, or after it but before the answer. */
  readonly cut?: 'before' | 'after';
  /** Called when it strikes: change the store in the middle of a request's life. */
  readonly onRequest?: (arrival: Arrival) => void;
}

/** Arrivals remembered: enough for a thousand agents' suite, and no leak in a demo that runs for days. */
const MAX_ARRIVALS = 200_000;

/** Faults on request, taken in the order in which they were added. */
export class Faults {
  #active: { fault: Fault; passes: number; left: number }[] = [];
  readonly #arrivals: Arrival[] = [];

  /** Every request for objects that was authenticated, oldest first. */
  get arrivals(): readonly Arrival[] {
    return this.#arrivals;
  }

  add(fault: Fault): void {
    this.#active.push({ fault, passes: fault.after ?? 0, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#active = [];
  }

  forgetArrivals(): void {
    this.#arrivals.length = 0;
  }

  /** The fault for a request that arrives now, if any. */
  take(arrival: Arrival): Fault | undefined {
    if (this.#arrivals.length >= MAX_ARRIVALS) this.#arrivals.splice(0, MAX_ARRIVALS / 2);
    this.#arrivals.push(arrival);
    for (const entry of this.#active) {
      if (entry.left <= 0 || entry.fault.matches?.(arrival) === false) continue;
      if (entry.passes > 0) {
        entry.passes -= 1;
        continue;
      }
      entry.left -= 1;
      entry.fault.onRequest?.(arrival);
      return entry.fault;
    }
    return undefined;
  }
}
