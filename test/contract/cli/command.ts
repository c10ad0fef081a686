import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { inject } from 'vitest';
import { nodeFlags } from '../../../scripts/bundle.ts';
import { DEADLINE_MS, type Outcome, Said } from './said.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the bundle, built once for all suites by bundle.setup.ts. */
    bundle: string;
  }
}

/** The bundled command, as it ships, as a child process, and what it says while it runs. */
export class RunningCommand {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #said = new Said();

  /** The bundled command with standard output and error on a disk that is full. */
  static onFullDisk(args: readonly string[], env: Record<string, string>): RunningCommand {
    const shell = ['/bin/sh', '-c', 'exec "$@" >/dev/full 2>&1', 'sh'];
    return new RunningCommand(args, { env, program: [...shell, process.execPath, inject('bundle')] });
  }

  constructor(args: readonly string[], options: { env?: Record<string, string>; program?: readonly string[] } = {}) {
    const [file = '', ...before] = options.program ?? [process.execPath, ...nodeFlags, inject('bundle')];
    const { PATH, HOME } = process.env;
    this.#child = spawn(file, [...before, ...args], {
      // Nothing of the caller's terminal or runtime may reach the command.
      env: { PATH, HOME, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', this.#said.out);
    this.#child.stderr?.setEncoding('utf8').on('data', this.#said.err);
    this.#ended = once(this.#child, 'close').then(([status]: unknown[]) => status as number | null);
  }

  /** Rejects where it does not end in time. */
  async outcome(): Promise<Outcome> {
    return await this.#said.outcome(this.#ended);
  }

  /** Waits until standard output or error matches. */
  async untilSaid(pattern: RegExp): Promise<void> {
    await this.#said.until(pattern);
  }

  /** The log of an agent so far. */
  log(): Record<string, unknown>[] {
    return this.#said.log();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Closes the reading end of its standard output, as `head` does. */
  closePipe(): void {
    this.#child.stdout?.destroy();
  }

  /** Ends it whatever it does. */
  async dispose(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** Asks again until `holds` says true; fails in the end, or with what it last threw. */
export async function eventually(holds: () => Promise<boolean> | boolean, what = 'it to hold'): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
