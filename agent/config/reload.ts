import { dirname, resolve } from 'node:path';
import { watch } from 'chokidar';
import type { Clock } from '../clock.ts';
import { isNodetenderError } from '../errors.ts';
import type { NodetenderError } from '../errors.ts';
import { parseConfig, readConfigFile } from './load.ts';
import type { Config } from './load.ts';

export interface WatchOptions {
  readonly path: string;
  /** The file has changed and is good: this is in force now. Also when a refused file is again what it was before. */
  readonly onChange: (config: Config, text: string) => void;
  /** The file has changed and is refused, or cannot be read any more: what was in force stays in force. */
  readonly onRefused: (error: NodetenderError) => void;
  /** What to begin with where the file is refused (with that text) or cannot be read; undefined: nothing. Default: nothing. */
  readonly insteadOf?:
    | ((refused: NodetenderError, text: string | undefined) => Promise<Config | undefined>)
    | undefined;
  readonly clock: Clock;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** A new text counts when it reads the same after this time: a writer may be half done. */
  readonly settleMs?: number;
  /** The longest time between two looks: events are a hint only, and some file systems give none. */
  readonly lookEveryMs?: number;
}

interface ConfigWatch {
  readonly beginning: Beginning;
  /** Looks at the file at once, for someone who does not want to rely on events. */
  readonly lookNow: () => void;
  /** Resolves when the watch is over; rejects only with what a callback threw. */
  readonly ended: Promise<void>;
}

interface Accepted {
  readonly config: Config;
  /** Of the file. */
  readonly text: string;
}

/** What is in force to begin with: what the file says, or what takes its place and why. */
type Beginning = Accepted | { readonly config: Config; readonly refused: NodetenderError };

/** What is on the disk: a text, or why there is none. */
type Sight = string | NodetenderError;

/** Where the kubelet swaps a mounted ConfigMap: the file is a link through this link, which it replaces. */
const CONFIG_MAP_LINK = '..data';

/**
 * Loads a configuration and follows its changes until `signal` aborts. Rejects with `config/unreadable` or `config/invalid`
 * when there is nothing good to begin with, not even instead of it; later nothing but good configurations replaces what is in force.
 */
export async function watchConfig(options: WatchOptions): Promise<ConfigWatch> {
  const sight = await look(options.path);
  const beginning = await beginningOf(sight, options);
  const bell = new Bell();
  return { beginning, lookNow: () => bell.ring(), ended: follow(sight, bell, options) };
}

async function beginningOf(sight: Sight, { path, insteadOf }: WatchOptions): Promise<Beginning> {
  const judged = judgementOf(sight, path);
  if (!('refused' in judged)) return judged;
  const { refused } = judged;
  const config = await insteadOf?.(refused, typeof sight === 'string' ? sight : undefined);
  if (config === undefined) throw refused;
  return { config, refused };
}

async function follow(first: Sight, bell: Bell, options: WatchOptions): Promise<void> {
  const { path, clock, signal, lookEveryMs = 60_000 } = options;
  const ring = (): void => bell.ring();
  signal.addEventListener('abort', ring);
  const watcher = watchDirectory(path, ring);
  try {
    let judged = first;
    while (!signal.aborted) {
      await bell.wait(lookEveryMs, clock);
      const sight = await settledLook(judged, options);
      if (signal.aborted || same(sight, judged)) continue;
      judged = sight;
      judge(sight, options);
    }
  } finally {
    signal.removeEventListener('abort', ring);
    await watcher.close();
  }
}

/** Ends a sleep early. Rung while nobody sleeps, it ends the next sleep as it begins: no ring is lost. */
class Bell {
  #rung = new AbortController();

  ring(): void {
    this.#rung.abort();
  }

  async wait(ms: number, clock: Clock): Promise<void> {
    await clock.sleep(ms, this.#rung.signal);
    this.#rung = new AbortController();
  }
}

/** Looks until two looks in a row agree, or nothing has changed after all. */
async function settledLook(judged: Sight, { path, clock, signal, settleMs = 1000 }: WatchOptions): Promise<Sight> {
  let sight = await look(path);
  while (!same(sight, judged) && !signal.aborted) {
    await clock.sleep(settleMs, signal);
    const again = await look(path);
    if (same(again, sight)) break;
    sight = again;
  }
  return sight;
}

function judge(sight: Sight, { path, onChange, onRefused }: WatchOptions): void {
  const judged = judgementOf(sight, path);
  if ('refused' in judged) onRefused(judged.refused);
  else onChange(judged.config, judged.text);
}

function judgementOf(sight: Sight, path: string): Accepted | { readonly refused: NodetenderError } {
  if (typeof sight !== 'string') return { refused: sight };
  try {
    return { config: parseConfig(sight, path), text: sight };
  } catch (error) {
    if (!isNodetenderError(error)) throw error;
    return { refused: error };
  }
}

async function look(path: string): Promise<Sight> {
  try {
    return await readConfigFile(path);
  } catch (error) {
    if (isNodetenderError(error)) return error;
    throw error;
  }
}

function same(a: Sight, b: Sight): boolean {
  return typeof a === 'string' || typeof b === 'string' ? a === b : a.message === b.message;
}

/** Calls `hint` when the file may have changed. The directory is watched, because the file's inode changes with every rename. */
function watchDirectory(path: string, hint: () => void): { close(): Promise<void> } {
  const file = resolve(path);
  const directory = dirname(file);
  const concerns = new Set([directory, file, resolve(directory, CONFIG_MAP_LINK)]);
  const watcher = watch(directory, {
    depth: 0,
    ignoreInitial: true,
    followSymlinks: false,
    ignored: (candidate) => !concerns.has(resolve(candidate)),
  });
  watcher.on('all', hint);
  // What changed before this was not watched.
  watcher.on('ready', hint);
  // No more watches to be had, say. The look in between goes on by itself.
  watcher.on('error', () => undefined);
  return watcher;
}
