import { type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

import { Bell } from '../bell.ts';
import type { Clock } from '../clock.ts';
import { messageOf, NodetenderError } from '../errors.ts';
import { FileHints } from './filehints.ts';
import { readPackages } from './packages.ts';
import type { NeedSource, RebootNeed } from './port.ts';

export interface SentinelOptions {
  /** The file whose being there asks for a reboot. The packages that want it are listed in the file of this name and `.pkgs`. */
  readonly path: string;
  readonly clock: Clock;
  /** The longest time between two looks: events are a hint only, and some file systems give none. */
  readonly lookEveryMs?: number;
}

/** What a look saw of both files. */
interface Sight {
  /** Differs when either was written. */
  readonly fingerprint: string;
  /** When either was written last, by the wall clock. */
  readonly changedAtMs: number;
  readonly writtenAtMs: number;
  readonly packages: readonly string[];
}

interface Standing {
  readonly sight: Sight;
  readonly sinceMs: number;
  /** For how long it was settled when it was first seen like this, and when that was. */
  readonly settledBeforeMs: number;
  readonly seenAtMonotonicMs: number;
}

const PACKAGES_SUFFIX = '.pkgs';
const DEFAULT_LOOK_EVERY_MS = 60_000;

/** A reboot wanted by a file, as Debian's and Ubuntu's packages leave it. Throws nothing: look at `problem`. */
export class Sentinel implements NeedSource {
  problem: NodetenderError | undefined;
  readonly #options: SentinelOptions;
  readonly #bell = new Bell();
  /** Undefined before the first look and after one that failed. */
  #standing: Standing | 'absent' | undefined;
  /** No look has succeeded yet. */
  #first = true;

  constructor(options: SentinelOptions) {
    this.#options = options;
  }

  current(): RebootNeed | undefined {
    if (this.#standing === undefined) return undefined;
    if (this.#standing === 'absent') return { wanted: false };
    const { sight, sinceMs, settledBeforeMs, seenAtMonotonicMs } = this.#standing;
    return {
      wanted: true,
      kind: 'sentinel',
      sinceMs,
      settledForMs: settledBeforeMs + this.#options.clock.monotonicMs() - seenAtMonotonicMs,
      packages: sight.packages,
      writtenAtMs: sight.writtenAtMs,
    };
  }

  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    const { path, clock, lookEveryMs = DEFAULT_LOOK_EVERY_MS } = this.#options;
    const hints = new FileHints(path, ['', PACKAGES_SUFFIX], () => this.#bell.ring());
    while (!signal.aborted) {
      await hints.renew();
      if (await this.#look()) onChange();
      const round = new AbortController();
      const until = AbortSignal.any([signal, round.signal]);
      await Promise.race([this.#bell.wait(until), clock.sleep(lookEveryMs, until)]);
      round.abort();
    }
    await hints.close();
  }

  /** Whether it saw something else than the look before. */
  async #look(): Promise<boolean> {
    const { path } = this.#options;
    let sight;
    try {
      sight = await see(path);
    } catch (error) {
      const problem = new NodetenderError(
        'host/sentinel-unreadable',
        `cannot tell whether ${path} is there: ${messageOf(error)}. Until then no reboot is wanted on its account. Check the mount and its permissions.`,
        { cause: error },
      );
      const changed = problem.message !== this.problem?.message;
      this.problem = problem;
      this.#standing = undefined;
      return changed;
    }
    const before = this.#standing;
    this.problem = undefined;
    this.#standing = sight === undefined ? 'absent' : this.#stand(sight, before);
    this.#first = false;
    return this.#standing !== before;
  }

  #stand(sight: Sight, before: Standing | 'absent' | undefined): Standing {
    const { clock } = this.#options;
    const known = typeof before === 'object' ? before : undefined;
    if (known?.sight.fingerprint === sight.fingerprint) return known;
    const nowMs = clock.nowMs();
    return {
      sight,
      // A package run writes the file again and again, and its place in the queue is that of the first wish.
      sinceMs: known?.sinceMs ?? Math.min(sight.writtenAtMs, nowMs),
      // Only what happened before this process began is told by the wall clock, which may have been set since.
      settledBeforeMs: this.#first ? Math.max(0, nowMs - sight.changedAtMs) : 0,
      seenAtMonotonicMs: clock.monotonicMs(),
    };
  }
}

/** Undefined when there is no sentinel. */
async function see(path: string): Promise<Sight | undefined> {
  const listPath = `${path}${PACKAGES_SUFFIX}`;
  const file = await statOrAbsent(path);
  // A directory of that name is somebody else's.
  if (file === undefined || !file.isFile()) return undefined;
  // The list says only which packages; that it cannot be read takes nothing from the wish itself.
  const list = await statOrAbsent(listPath).catch(() => undefined);
  return {
    fingerprint: [file, list].map((of) => `${of?.ino} ${of?.size} ${of?.mtimeMs} ${of?.ctimeMs}`).join(', '),
    changedAtMs: Math.max(file.mtimeMs, list?.mtimeMs ?? 0),
    writtenAtMs: file.mtimeMs,
    packages: list?.isFile() === true ? await readPackages(listPath) : [],
  };
}

async function statOrAbsent(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
