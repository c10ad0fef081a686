import * as z from 'zod/mini';
import type { ImageListResult } from '../cluster/records.ts';
import type { ImageListView } from './imagelist.ts';

/** What became of an ImageList, as we keep it in an annotation of the ImageList itself. */
export interface RunRecord {
  /** Of the ImageList: a copy of the object carries the annotation too, and is another one. */
  readonly uid: string;
  readonly generation: number;
  /** `adopted`: it carried a status when it was first seen, and is run when it changes. */
  readonly state: 'adopted' | 'running' | 'finished';
  /** RFC 3339, the reporter's clock. */
  readonly startedAt: string;
  /** How many nodes are in the run's set. */
  readonly nodes: number;
  /** RFC 3339, the API server's clock: nodes created later are not in the set. */
  readonly newestNode: string;
  /** How many of them are through. */
  readonly reported: number;
  /**
   * RFC 3339, the reporter's clock, when the mark was written. API servers drop a write that changes nothing, and the other
   * agents take a reporter whose marks they do not see for dead: each mark must differ from the one before.
   */
  readonly markedAt?: string | undefined;
}

const time = z.string().check(
  z.maxLength(64),
  z.refine((value) => !Number.isNaN(Date.parse(value)), 'expected a time'),
);
const count = z.number().check(z.int(), z.nonnegative());
const schema = z.object({
  uid: z.string().check(z.maxLength(256)),
  generation: count,
  state: z.enum(['adopted', 'running', 'finished']),
  startedAt: time,
  nodes: count,
  newestNode: time,
  reported: count,
  markedAt: z.optional(time),
});

/** Ours are never longer. */
const maxLength = 1024;

export function encodeRun(record: RunRecord): string {
  return JSON.stringify(record);
}

/** Undefined where it is not ours or somebody has damaged it: then the status decides, which never runs too much. */
export function decodeRun(value: unknown): RunRecord | undefined {
  if (typeof value !== 'string' || value.length > maxLength) return undefined;
  try {
    return schema.parse(JSON.parse(value));
  } catch {
    return undefined;
  }
}

/** What the reporter does next about an ImageList. */
export type Step = 'adopt' | 'begin' | 'follow' | 'none';

/**
 * Decides from the object, our mark on it, and the generation of it that was handled last as the Lease or the nodes know it
 * (undefined where they do not), which says more where a `kubectl replace` has taken the mark away.
 */
export function nextStep(list: ImageListView, run: RunRecord | undefined, handled: number | undefined): Step {
  if (run !== undefined && run.uid === list.uid) {
    if (run.generation < list.generation) return 'begin';
    return run.state === 'running' ? 'follow' : 'none';
  }
  if (!list.hasStatus) return 'begin';
  return handled !== undefined && handled < list.generation ? 'begin' : 'adopt';
}

/** The node on which a run may be due. */
export interface RunNode {
  readonly createdAt: string;
  /** What this node has last reported of this ImageList. */
  readonly result: ImageListResult | undefined;
}

/** Whether a node still has to run an ImageList: a run is under way, the node is in its set and has not reported. */
export function isDue({ uid, generation, run }: ImageListView, { createdAt, result }: RunNode): boolean {
  if (run === undefined || run.state !== 'running' || run.uid !== uid || run.generation !== generation) return false;
  if (Date.parse(createdAt) > Date.parse(run.newestNode)) return false;
  return !isResultOf(result, { uid, generation });
}

/** Whether a node's report is about this generation of this object. */
export function isResultOf(
  result: ImageListResult | undefined,
  { uid, generation }: { readonly uid: string; readonly generation: number },
): result is ImageListResult {
  return result !== undefined && result.uid === uid && result.generation === generation;
}
