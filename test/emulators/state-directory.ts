import { basename, dirname } from 'node:path';

import type { StateFileSystem } from '../../agent/images/statefile.ts';

/** The power went: nothing more reaches the disk. */
class PowerLoss extends Error {}

/**
 * A state directory in memory that can lose its power in the middle of a write. Each byte written, each flush and each
 * rename is one step.
 */
export class StateDirectory implements StateFileSystem {
  readonly files = new Map<string, string>();
  /** What the files written from now on are dated. */
  nowMs = 0;
  readonly #modifiedAtMs = new Map<string, number>();
  /** Set to refuse every write, as a full or read-only file system does. */
  refuses: string | undefined;
  #stepsLeft = Number.POSITIVE_INFINITY;
  #beforeRename: Map<string, string> | undefined;

  losePowerAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  /** After a power loss: a rename whose directory was not flushed may have been lost, too. */
  restart(options: { unflushedRenameIsLost: boolean }): void {
    this.#stepsLeft = Number.POSITIVE_INFINITY;
    if (options.unflushedRenameIsLost && this.#beforeRename !== undefined) {
      this.files.clear();
      for (const [path, text] of this.#beforeRename) this.files.set(path, text);
    }
    this.#beforeRename = undefined;
  }

  async read(path: string): Promise<string | undefined> {
    return this.files.get(path);
  }

  async makeDirectory(): Promise<void> {
    this.#step();
  }

  async writeFlushed(path: string, text: string): Promise<void> {
    this.#step();
    this.#modifiedAtMs.set(path, this.nowMs);
    this.files.set(path, text.slice(0, this.#stepsLeft));
    this.#step(text.length);
    this.#step();
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step();
    this.#beforeRename = new Map(this.files);
    const text = this.files.get(from);
    if (text === undefined) throw new Error(`ENOENT: no such file, rename ${from}`);
    this.files.delete(from);
    this.files.set(to, text);
    this.#modifiedAtMs.set(to, this.#modifiedAtMs.get(from) ?? 0);
  }

  async flushDirectory(): Promise<void> {
    this.#step();
    this.#beforeRename = undefined;
  }

  async list(path: string): Promise<readonly string[]> {
    return [...this.files.keys()].filter((file) => dirname(file) === path).map((file) => basename(file));
  }

  async modifiedAtMs(path: string): Promise<number> {
    if (!this.files.has(path)) throw new Error(`ENOENT: no such file, stat ${path}`);
    return this.#modifiedAtMs.get(path) ?? 0;
  }

  async remove(path: string): Promise<void> {
    this.#step();
    this.files.delete(path);
  }

  #step(count = 1): void {
    if (this.refuses !== undefined) throw new Error(this.refuses);
    const isEnough = count <= this.#stepsLeft;
    this.#stepsLeft = Math.max(0, this.#stepsLeft - count);
    if (!isEnough) throw new PowerLoss('the power is off');
  }
}
