import type { Clock } from '../../clock.ts';
import type { ImageListResult } from '../../cluster/records.ts';
import { nextRunMs, outcomeOf, type Staying, stayingOf } from '../../eraser/staying.ts';
import type { Report } from '../../images/report.ts';
import type { Rule } from '../../images/rules.ts';
import { FLOOR_MS } from '../../policies.ts';

/** What one ImageList asks of this node. */
export interface ImageListRequest {
  readonly name: string;
  /** The same for the same wish; another after each change of the list. */
  readonly subject: string;
  readonly rules: readonly Rule[];
  /** Asked before each burst: a list that was changed, deleted or counted meanwhile wants nothing any more. */
  readonly isWanted: () => boolean;
  /** Aborts when the list wants nothing of this node any more: a run that waits then must not begin. */
  readonly withdrawn: AbortSignal;
}

export interface ListRunOptions {
  /** One run on this node, perhaps after waiting; undefined where it could not run at all. */
  readonly clean: (request: ImageListRequest) => Promise<Report | undefined>;
  /** After which the node counts as failed. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface ListRunResult {
  readonly outcome: ImageListResult['outcome'];
  readonly staying: Staying;
}

/** Of the time that the node has, what is kept for the last run itself and for its report. */
const reservedShare = 0.1;

/**
 * Runs a list until nothing that it names is left for want of age or budget, or the time is nearly over. Undefined where it
 * is withdrawn before that.
 */
export async function runList(request: ImageListRequest, options: ListRunOptions): Promise<ListRunResult | undefined> {
  const { clean, timeoutMs, clock } = options;
  const { rules, withdrawn } = request;
  const lastBeginMs = clock.monotonicMs() + timeoutMs * (1 - reservedShare);
  let firstLookMs: number | undefined;
  while (!withdrawn.aborted) {
    const report = await unless(withdrawn, clean(request));
    if (withdrawn.aborted) break;
    if (report === undefined) return { outcome: 'failed', staying: { inUse: [], putOff: [] } };
    firstLookMs ??= report.plan.plannedAtMs;
    const staying = stayingOf(rules, report.plan, firstLookMs);
    const waitMs = nextRunMs(report, staying, FLOOR_MS);
    if (waitMs === undefined || clock.monotonicMs() + waitMs > lastBeginMs) {
      return { outcome: outcomeOf(report, staying), staying };
    }
    await clock.sleep(waitMs, withdrawn);
  }
  return undefined;
}

/** A run may wait for hours at the gate, and behind others that do. */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const abort = (): void => resolve(undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
