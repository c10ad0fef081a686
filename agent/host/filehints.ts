import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { watch } from 'chokidar';

interface Watching {
  /** Which directory, which one of that name, and which of its entries count. */
  readonly identity: string;
  close(): Promise<void>;
}

/**
 * Hints that a file or one beside it may have changed. Directories are watched, because a file that is not there has no
 * inode: the file's own, or while that does not exist the deepest one on the way to it that does. Links on the way are
 * followed: /var/run is one.
 */
export class FileHints {
  readonly #file: string;
  readonly #suffixes: readonly string[];
  readonly #hint: () => void;
  #watching: Watching | undefined;

  /** `suffixes` name the files that count: `''` for the file itself. */
  constructor(path: string, suffixes: readonly string[], hint: () => void) {
    this.#file = resolve(path);
    this.#suffixes = suffixes;
    this.#hint = hint;
  }

  /** Watches what there is to watch now. To be called before each look: directories come and go. */
  async renew(): Promise<void> {
    const { directory, names, identity } = await this.#deepest();
    if (identity === this.#watching?.identity) return;
    await this.close();
    const concerns = new Set([directory, ...names.map((name) => join(directory, name))]);
    const watcher = watch(directory, {
      depth: 0,
      ignoreInitial: true,
      followSymlinks: false,
      ignored: (candidate) => !concerns.has(resolve(candidate)),
    });
    watcher.on('all', this.#hint);
    // What changed before this was not watched.
    watcher.on('ready', this.#hint);
    // No more watches to be had, say. The look in between goes on by itself.
    watcher.on('error', () => undefined);
    this.#watching = { identity, close: () => watcher.close() };
  }

  async close(): Promise<void> {
    const watching = this.#watching;
    this.#watching = undefined;
    await watching?.close();
  }

  async #deepest(): Promise<{ directory: string; names: readonly string[]; identity: string }> {
    let names = this.#suffixes.map((suffix) => `${basename(this.#file)}${suffix}`);
    for (let path = dirname(this.#file); ; path = dirname(path)) {
      try {
        const directory = await realpath(path);
        const { dev, ino } = await stat(directory);
        return { directory, names, identity: `${directory} ${dev}:${ino} ${names.join('/')}` };
      } catch {
        // Not there, or not for us: it may be one day, and then its parent shows it.
        if (path === dirname(path)) return { directory: path, names, identity: path };
        names = [basename(path)];
      }
    }
  }
}
