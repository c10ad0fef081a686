/** How often each thing has happened. */
export type Counts = Record<string, number>;

export interface Tally {
  /** What was done to the roll, by kind. */
  readonly faults: Counts;
  /** Events that agents have told. */
  readonly events: Counts;
  /** How often each invariant was held against the world. */
  readonly checks: Counts;
  /** Requests that came to the API server, changes of objects, decisions of machines, minutes of virtual time. */
  readonly amounts: Counts;
}

export function emptyTally(): Tally {
  return { faults: {}, events: {}, checks: {}, amounts: {} };
}

export function count(counts: Counts, what: string, times = 1): void {
  counts[what] = (counts[what] ?? 0) + times;
}

export function addTally(to: Tally, from: Tally): void {
  for (const part of ['faults', 'events', 'checks', 'amounts'] as const) {
    for (const [what, times] of Object.entries(from[part])) count(to[part], what, times);
  }
}
