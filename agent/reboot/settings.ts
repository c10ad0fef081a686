import type { Mark } from './state.ts';

/** What the configuration says to the machine; all of it may change between two steps. */
export interface Settings {
  /** Off: nothing is begun, and what was begun is undone. */
  readonly enabled: boolean;
  /** A sentinel younger than this may belong to a package run that has not ended. */
  readonly settleMs: number;
  readonly minIntervalMs: number;
  /** Answers of gates older than this are asked for again before a slot is asked for. */
  readonly gatesEveryMs: number;
  /** Of a cordoned node: how long gates may block after the drain, or it may be blind, before it backs out. */
  readonly gatesPatienceMs: number;
  /** When the window closes between cordon and reboot. */
  readonly whenWindowCloses: 'back-out' | 'go-on';
  /** From the cordon to the drain: load balancers need time to notice. */
  readonly cordonDelayMs: number;
  /** From the end of the drain to the reboot. */
  readonly rebootDelayMs: number;
  /** Votes before the reboot. Those after it have until `verifyDeadlineMs`. */
  readonly hooks: {
    /** From the cordon; Infinity: however long. */
    readonly timeoutMs: number;
    readonly whenTimedOut: 'back-out' | 'go-on';
  };
  /** When the drain cannot finish. */
  readonly whenStuck: 'back-out' | 'go-on' | 'stay';
  /** From the order to the new boot ID; the node is taken for one that did not reboot after that. */
  readonly rebootDeadlineMs: number;
  /** For so long Ready before it counts as well. */
  readonly soakMs: number;
  /** From the new boot ID: a node that is not well then is reported. */
  readonly verifyDeadlineMs: number;
  /** What becomes of the slot of a node that is not well: kept, so that the roll stops, or handed on. The cordon stays either way. */
  readonly whenUnhealthy: 'stop' | 'go-on';
  readonly backoff: { readonly firstMs: number; readonly longestMs: number };
  /** What is put on the Node in addition to the cordon. */
  readonly marks: readonly Mark[];
  /** Key of the taint that is the mark `prefer-no-schedule`. */
  readonly softTaintKey?: string | undefined;
}
