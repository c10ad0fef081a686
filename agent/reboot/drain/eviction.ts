import type { ErrorCode } from '../../errors.ts';

/** What an answer of the eviction API says against the pod's end. Codes are stable: metrics and scripts name them. */
const refusalCodes = [
  'budget',
  'several-budgets',
  'namespace-terminating',
  'throttled',
  'no-answer',
  'refused',
] as const;

type RefusalCode = (typeof refusalCodes)[number];

/** What stands between a pod and its end. */
export type ObstacleCode = RefusalCode | 'ending' | 'timed-out';

/** What came of one request. */
export const evictionResults = ['accepted', 'gone', ...refusalCodes] as const;
export type EvictionResult = (typeof evictionResults)[number];

/** What is to be done after an answer of the eviction API. */
export type Verdict =
  /** Accepted: its end is seen by the watch. */
  | { readonly next: 'await-end' }
  | { readonly next: 'gone' }
  /** Read the pod: another one may have its name by now. */
  | { readonly next: 'look' }
  | { readonly next: 'retry'; readonly afterMs: number; readonly obstacle: RefusalCode }
  /** Asking again will not help. */
  | { readonly next: 'give-up'; readonly obstacle: RefusalCode };

export interface EvictionAnswer {
  /** Undefined where it was accepted. */
  readonly code: ErrorCode | undefined;
  /** As the server asks for. */
  readonly retryAfterMs: number | undefined;
  /** Answers of this pod in a row that were failures of the server's, this one included. */
  readonly failures: number;
}

/** As `kubectl drain` waits: budgets change when pods elsewhere have become ready, which takes seconds. */
export const askAgainMs = 5_000;

/** A longer Retry-After is taken for a mistake. */
const maxRetryAfterMs = 60_000;

/** A webhook that is being moved fails for a while; one that fails longer needs a person. */
const maxFailures = 5;

/** In the words of metrics. */
export function resultOf(verdict: Exclude<Verdict, { next: 'look' }>): EvictionResult {
  switch (verdict.next) {
    case 'await-end':
      return 'accepted';
    case 'gone':
      return 'gone';
    case 'retry':
    case 'give-up':
      return verdict.obstacle;
    default:
      return verdict satisfies never;
  }
}

export function verdictOf({ code, retryAfterMs = 0, failures }: EvictionAnswer): Verdict {
  const retry = (obstacle: RefusalCode): Verdict => ({
    next: 'retry',
    afterMs: Math.min(maxRetryAfterMs, Math.max(askAgainMs, retryAfterMs)),
    obstacle,
  });
  if (code === undefined) return { next: 'await-end' };
  if (code === 'cluster/not-found') return { next: 'gone' };
  if (code === 'cluster/conflict') return { next: 'look' };
  if (code === 'cluster/several-budgets') return { next: 'give-up', obstacle: 'several-budgets' };
  const passing = passingRefusals[code];
  if (passing !== undefined) return retry(passing);
  if (code !== 'cluster/failed') return { next: 'give-up', obstacle: 'refused' };
  return failures < maxFailures ? retry('no-answer') : { next: 'give-up', obstacle: 'no-answer' };
}

/** What ends by itself. */
const passingRefusals: Readonly<Partial<Record<ErrorCode, RefusalCode>>> = {
  'cluster/disruption-budget': 'budget',
  'cluster/throttled': 'throttled',
  // The namespace's controller deletes the pod in its own time.
  'cluster/namespace-terminating': 'namespace-terminating',
  // Each of these may have been accepted all the same; asked again, it costs nothing.
  'cluster/unavailable': 'no-answer',
  'cluster/timeout': 'no-answer',
  'cluster/bad-response': 'no-answer',
  'cluster/unauthorized': 'no-answer',
};
