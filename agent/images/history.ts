import { join } from 'node:path';

import * as z from 'zod/mini';

import { backoffMs } from '../backoff.ts';
import type { Clock, Random } from '../clock.ts';
import { messageOf, NodetenderError } from '../errors.ts';
import type { ImageRecord } from './inventory.ts';
import {
  readStateFile,
  setAside,
  type StateFileFormat,
  type StateFileSystem,
  stateFileSystem,
  writeStateFile,
} from './statefile.ts';

/** What is remembered of one image between looks. Times are wall-clock milliseconds. */
export type HistoryEntry = Pick<
  ImageRecord,
  'firstSeenMs' | 'lastUsedMs' | 'preloaded' | 'namelessSinceMs' | 'failure'
>;

/** One look at the node: everything that is listed, and what of it is in use. */
export interface Look {
  readonly images: readonly { readonly id: string; readonly nameless: boolean }[];
  readonly usedIds: ReadonlySet<string>;
  /** False when a use could not be resolved: then some image here is in use and nobody knows which. */
  readonly complete: boolean;
}

/** Where the history came from. `fresh`: there was none; `corrupt`: there was one, but every image counts as just seen. */
export type HistoryOrigin = 'fresh' | 'ok' | 'corrupt';

export interface HistoryOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** Reads only: nothing is set aside and `save` does nothing. For commands beside a running agent. */
  readonly readOnly?: boolean;
  /** Looks at most this far apart count as watching all the time between them; default 10 minutes, see expectLooks. */
  readonly watchGapMs?: number;
  /** Images remembered at most; any more count as just seen at every look, and so are kept. Default 50,000. */
  readonly limit?: number;
  readonly fileSystem?: StateFileSystem;
}

const FILE_NAME = 'history.json';
const DEFAULT_WATCH_GAP_MS = 10 * 60_000;
const DEFAULT_LIMIT = 50_000;
/** Wall clock and monotonic clock drift apart a little under NTP; less than this per look is not worth a correction. */
const DRIFT_MS = 1000;
const BACKOFF = { firstMs: 10 * 60_000, longestMs: 24 * 3_600_000 };
const MESSAGE_LIMIT = 500;

const entrySchema = z.object({
  id: z.string().check(z.minLength(1), z.maxLength(200)),
  firstSeenMs: z.number(),
  lastUsedMs: z.optional(z.number()),
  preloaded: z.boolean(),
  namelessSinceMs: z.optional(z.number()),
  failure: z.optional(z.object({ count: z.int().check(z.positive()), retryAtMs: z.number(), message: z.string() })),
});
const bodySchema = z.object({ lookedAtMs: z.number(), images: z.array(entrySchema) });

const format: StateFileFormat<z.infer<typeof bodySchema>> = {
  name: 'nodetender/history',
  version: 1,
  parse: (body) => {
    const parsed = bodySchema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new Error(z.prettifyError(parsed.error));
  },
};

/**
 * When each image was first seen and last used. Ages are counted in time that somebody watched: a jump of the wall clock,
 * a week in which the agent did not run, and a day on which the runtime did not answer make no image older, because an
 * image may have been used meanwhile. What was not watched shifts every time stamp forward instead.
 */
export class History {
  readonly origin: HistoryOrigin;
  /** Why the file could not be used or written; undefined while all is well. */
  problem: NodetenderError | undefined;
  readonly #options: Required<HistoryOptions>;
  readonly #path: string;
  #entries: Map<string, HistoryEntry>;
  #lookedAt: { wallMs: number; monotonicMs: number | undefined } | undefined;
  #watchGapMs: number;
  #saving: Promise<void> = Promise.resolve();

  /** Reads the history of a state directory. Never throws: look at `origin` and `problem`. */
  static async open(options: HistoryOptions): Promise<History> {
    const path = join(options.directory, FILE_NAME);
    const content = await readStateFile(path, format, options.fileSystem);
    if (content.state === 'ok') {
      const { lookedAtMs, images } = content.value;
      const entries = new Map(images.map(({ id, ...entry }) => [id, entryFrom(entry)]));
      return new History(options, 'ok', entries, lookedAtMs, undefined);
    }
    if (content.state === 'fresh') return new History(options, 'fresh', new Map(), undefined, undefined);
    const fate = options.readOnly === true ? 'it was left where it is' : await setAside(path, options.fileSystem);
    const problem = new NodetenderError(
      'state/unreadable',
      `the image history ${path} cannot be used: ${content.why}; ${fate}, and every image counts as just seen.`,
    );
    return new History(options, 'corrupt', new Map(), undefined, problem);
  }

  private constructor(
    options: HistoryOptions,
    origin: HistoryOrigin,
    entries: Map<string, HistoryEntry>,
    lookedAtMs: number | undefined,
    problem: NodetenderError | undefined,
  ) {
    this.#options = {
      readOnly: false,
      watchGapMs: DEFAULT_WATCH_GAP_MS,
      limit: DEFAULT_LIMIT,
      fileSystem: stateFileSystem,
      ...options,
    };
    this.#path = join(options.directory, FILE_NAME);
    this.#watchGapMs = this.#options.watchGapMs;
    this.origin = origin;
    this.problem = problem;
    this.#entries = entries;
    // A monotonic clock of another life says nothing.
    this.#lookedAt = lookedAtMs === undefined ? undefined : { wallMs: lookedAtMs, monotonicMs: undefined };
  }

  entries(): IterableIterator<[string, HistoryEntry]> {
    return this.#entries.entries();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Tells how often somebody means to look: one look may be late or fail, and the time between still counts as watched. */
  expectLooks(everyMs: number): void {
    this.#watchGapMs = Math.max(this.#options.watchGapMs, 2 * everyMs);
  }

  /** False when nobody has looked for longer than the usual gap: an image may have been pulled again or used since. */
  get isCurrent(): boolean {
    if (this.#lookedAt === undefined) return false;
    const sinceMs = this.#options.clock.nowMs() - this.#lookedAt.wallMs;
    return sinceMs >= 0 && sinceMs <= this.#watchGapMs;
  }

  /** Takes in one look; images that are not listed any more are forgotten. */
  observe(look: Look): void {
    const { clock, limit } = this.#options;
    const now = { wallMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    const shiftMs = this.#unwatchedMs(now, look.complete);
    // What was there at the first look ever was not pulled by us watching; after a loss nobody can tell, so all of it.
    const preloaded = this.#lookedAt === undefined;
    const before = this.#entries;
    this.#entries = new Map();
    // Those known already come first, so that the limit leaves out newcomers.
    const known = look.images.filter((image) => before.has(image.id));
    const unknown = look.images.filter((image) => !before.has(image.id));
    for (const { id, nameless } of [...known, ...unknown]) {
      if (this.#entries.size >= limit) break;
      const old = before.get(id);
      const entry = old === undefined ? justSeen(now.wallMs, preloaded) : shifted(old, shiftMs, now.wallMs);
      this.#entries.set(id, {
        ...entry,
        lastUsedMs: look.usedIds.has(id) ? now.wallMs : entry.lastUsedMs,
        namelessSinceMs: nameless ? (entry.namelessSinceMs ?? now.wallMs) : undefined,
      });
    }
    this.#lookedAt = now;
  }

  /** What is known of an image; one that is not known counts as just seen. */
  of(id: string): HistoryEntry {
    return this.#entries.get(id) ?? justSeen(this.#options.clock.nowMs(), false);
  }

  /** A removal failed: the next is tried after 10 minutes, doubling to 24 hours, each ± a fifth. */
  recordFailure(id: string, message: string, random: Random): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const count = (entry.failure?.count ?? 0) + 1;
    const retryAtMs = this.#options.clock.nowMs() + backoffMs(BACKOFF, count, random);
    this.#entries.set(id, { ...entry, failure: { count, retryAtMs, message: message.slice(0, MESSAGE_LIMIT) } });
  }

  /**
   * Writes the history. Never rejects: where the directory cannot be written the agent goes on with what it has in
   * memory, and `problem` says so until a later write succeeds.
   */
  async save(): Promise<void> {
    if (this.#options.readOnly) return;
    // One write at a time: the last one to begin must be the last to end.
    this.#saving = this.#saving.then(() => this.#write());
    await this.#saving;
  }

  async #write(): Promise<void> {
    if (this.#lookedAt === undefined) return;
    const images = [...this.#entries].map(([id, entry]) => ({ id, ...entry }));
    try {
      const body = { lookedAtMs: this.#lookedAt.wallMs, images };
      await writeStateFile(this.#path, format, body, this.#options.fileSystem);
      this.problem = undefined;
    } catch (error) {
      this.problem =
        error instanceof NodetenderError ? error : new NodetenderError('state/unwritable', messageOf(error));
    }
  }

  /** How far the wall clock moved since the last look, less the time that was watched. Negative when it went back. */
  #unwatchedMs(now: { wallMs: number; monotonicMs: number }, complete: boolean): number {
    const last = this.#lookedAt;
    if (last === undefined) return 0;
    const wallMs = now.wallMs - last.wallMs;
    const passedMs = last.monotonicMs === undefined ? wallMs : now.monotonicMs - last.monotonicMs;
    const watchedMs = complete ? Math.min(Math.max(passedMs, 0), this.#watchGapMs) : 0;
    const unwatchedMs = wallMs - watchedMs;
    return Math.abs(unwatchedMs) <= DRIFT_MS ? 0 : unwatchedMs;
  }
}

function justSeen(nowMs: number, preloaded: boolean): HistoryEntry {
  return { firstSeenMs: nowMs, lastUsedMs: undefined, preloaded, namelessSinceMs: undefined, failure: undefined };
}

function entryFrom(read: Omit<z.infer<typeof entrySchema>, 'id'>): HistoryEntry {
  const { firstSeenMs, preloaded, lastUsedMs, namelessSinceMs, failure } = read;
  return { firstSeenMs, preloaded, lastUsedMs, namelessSinceMs, failure };
}

/** Every time stamp moved by `ms`; none that has passed may lie in the future. */
function shifted(entry: HistoryEntry, ms: number, nowMs: number): HistoryEntry {
  const past = (timeMs: number): number => Math.min(timeMs + ms, nowMs);
  return {
    firstSeenMs: past(entry.firstSeenMs),
    lastUsedMs: entry.lastUsedMs === undefined ? undefined : past(entry.lastUsedMs),
    preloaded: entry.preloaded,
    namelessSinceMs: entry.namelessSinceMs === undefined ? undefined : past(entry.namelessSinceMs),
    failure: entry.failure && {
      ...entry.failure,
      // However the clock jumped, nothing waits longer than the longest back-off.
      retryAtMs: Math.min(entry.failure.retryAtMs + ms, nowMs + 1.2 * BACKOFF.longestMs),
    },
  };
}
