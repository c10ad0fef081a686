import * as z from 'zod/mini';
import { messageOf } from '../errors.ts';

/**
 * The values of our annotations, as JSON that a person reads with kubectl and the commands read back. Written bounded,
 * because all annotations of an object share 256 KiB; read with distrust, because anybody may have written them. Fields
 * that are not known here are left out: a newer agent may have written them.
 */

/** What the last run on a node did. */
export interface LastClean {
  /**
   * The value of `nodetender.dev/clean` that was done last, null when there was none. Runs that something else set off
   * (see `trigger`) pass it on, or the value would look undone.
   */
  readonly request: string | null;
  /** `schedule`, `watermark`, `signal`, `annotation`, …: open, because a newer agent knows more. */
  readonly trigger: string;
  readonly dryRun: boolean;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly durationSeconds: number;
  /** `done`, `enough`, `stopped`, `failed`. */
  readonly outcome: string;
  /** Why it failed; null where it did not. */
  readonly error: string | null;
  /** Counts of images. Of a dry run `removed` is what would have gone. */
  readonly removed: number;
  readonly failed: number;
  readonly skipped: number;
  /** How many stayed, by reason code. */
  readonly kept: Readonly<Record<string, number>>;
  readonly estimatedFreedBytes: number;
  /** Null where it was not measured. */
  readonly measuredFreedBytes: number | null;
  /** The first names of what went. */
  readonly images: readonly string[];
}

/** What an agent is doing. */
export interface NodeStatus {
  readonly version: string;
  /** `idle`, `cleaning`, `waiting`, `held`, `paused`. */
  readonly state: string;
  readonly images: number | null;
  readonly imageBytes: number | null;
  readonly diskUsedPercent: number | null;
  /** RFC 3339; null when nothing is scheduled. */
  readonly nextRunAt: string | null;
  /** Why no cleaning can start now; null when one can. */
  readonly waiting: string | null;
}

/** What became of one ImageList on one node. */
export interface ImageListResult {
  readonly uid: string;
  readonly generation: number;
  readonly outcome: 'success' | 'failed' | 'skipped';
  /** RFC 3339. */
  readonly at: string;
  /** Images that it names and that stay because something uses them; absent where there are none. */
  readonly inUse?: InUse | undefined;
}

export interface InUse {
  readonly count: number;
  /** The first names. */
  readonly images: readonly string[];
}

/** By the name of the ImageList. */
export type ImageListResults = ReadonlyMap<string, ImageListResult>;

/** Bytes of one annotation's value. */
export const maxRecordBytes = 4096;
/** Results push each other out of it: one that is not read counts as none, so there is room for all that may be under way. */
export const maxImageListsBytes = 16_384;
/** Characters of a value of `nodetender.dev/clean`, so that a result always has room to name it. */
export const maxRequestLength = 253;
/** Names and messages longer than this are shortened, from where they begin. */
export const maxTextLength = 256;
/** Reason codes are a closed set of ours; more of them are nobody's. */
const maxReasons = 64;
/** Newest first; one result is at most about 400 bytes, without the names of what is in use. */
const maxImageLists = 64;
/** Names of what is in use, for each list. */
export const maxInUse = 3;

const text = z.string().check(z.maxLength(1024));
const count = z.number().check(z.int(), z.nonnegative());
const time = text.check(z.refine((value) => !Number.isNaN(Date.parse(value)), 'expected a time'));

const lastCleanSchema = z.object({
  request: z.nullable(text),
  trigger: text,
  dryRun: z.boolean(),
  startedAt: time,
  durationSeconds: z.number().check(z.nonnegative()),
  outcome: text,
  error: z.prefault(z.nullable(text), null),
  removed: count,
  failed: count,
  skipped: count,
  kept: z.record(text, count),
  estimatedFreedBytes: z.number(),
  measuredFreedBytes: z.nullable(z.number()),
  images: z.array(text).check(z.maxLength(200)),
});

const statusSchema = z.object({
  version: text,
  state: text,
  images: z.nullable(count),
  imageBytes: z.nullable(z.number()),
  diskUsedPercent: z.nullable(z.number()),
  nextRunAt: z.nullable(time),
  waiting: z.nullable(text),
});

const imageListsSchema = z.record(
  text,
  z.object({
    uid: text,
    generation: count,
    outcome: z.enum(['success', 'failed', 'skipped']),
    at: time,
    inUse: z.optional(z.object({ count, images: z.array(text).check(z.maxLength(maxInUse)) })),
  }),
);

/** What was read, or why it could not be; `problem` never quotes more than a few words of the value. */
export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

export function encodeLastClean(record: LastClean): string {
  const kept = Object.fromEntries(Object.entries(record.kept).slice(0, maxReasons));
  const error = record.error === null ? null : shortened(record.error);
  // As many names as there is room for.
  return encodeFitting(record.images.map(shortened), (images) => ({ ...record, error, kept, images }), maxRecordBytes);
}

export function decodeLastClean(value: string): Decoded<LastClean> {
  return decode(lastCleanSchema, value);
}

export function encodeStatus(status: NodeStatus): string {
  return JSON.stringify({ ...status, waiting: status.waiting === null ? null : shortened(status.waiting) });
}

export function decodeStatus(value: string): Decoded<NodeStatus> {
  return decode(statusSchema, value);
}

/** The results that happened last, as many as there is room for; what is in use, where that fits, too. */
export function encodeImageLists(results: ImageListResults): string {
  const newestFirst = [...results]
    .toSorted(([, one], [, other]) => Date.parse(other.at) - Date.parse(one.at))
    .slice(0, maxImageLists);
  const json = JSON.stringify(Object.fromEntries(newestFirst));
  if (Buffer.byteLength(json) <= maxImageListsBytes) return json;
  // A result that is missing counts as none; names are for people.
  const bare = newestFirst.map(([list, { uid, generation, outcome, at }]) => [list, { uid, generation, outcome, at }]);
  return encodeFitting(bare, (kept) => Object.fromEntries(kept), maxImageListsBytes);
}

export function decodeImageLists(value: string): Decoded<ImageListResults> {
  const decoded = decode(imageListsSchema, value, maxImageListsBytes);
  return decoded.ok ? { ok: true, value: new Map(Object.entries(decoded.value)) } : decoded;
}

/** The JSON of the longest beginning of `items` that fits. */
function encodeFitting<T>(items: readonly T[], whole: (items: readonly T[]) => object, maxBytes: number): string {
  for (let length = items.length; ; length -= 1) {
    const json = JSON.stringify(whole(items.slice(0, length)));
    if (length === 0 || Buffer.byteLength(json) <= maxBytes) return json;
  }
}

/** How every value of ours is read: JSON, of bounded length, that fits `schema`. */
export function decode<T extends z.core.$ZodType>(
  schema: T,
  value: string,
  maxBytes = maxRecordBytes,
): Decoded<z.output<T>> {
  // Ours are never so long: not worth the parser's memory.
  if (value.length > maxBytes) return refused(`expected at most ${maxBytes} bytes, found more`);
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch (error) {
    return refused(`expected JSON: ${messageOf(error)}`);
  }
  const parsed = z.safeParse(schema, json);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  return refused(`${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'not as expected'}`);
}

function refused(problem: string): Decoded<never> {
  return { ok: false, problem: shortened(problem) };
}

export function shortened(name: string): string {
  return name.length > maxTextLength ? `${name.slice(0, maxTextLength - 1)}…` : name;
}
