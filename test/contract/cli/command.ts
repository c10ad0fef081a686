import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { inject } from 'vitest';
import { nodeFlags } from '../../../scripts/bundle.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the bundle, built once for all suites by bundle.setup.ts. */
    bundle: string;
  }
}

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How long anything here may take before the test fails: far more than it needs on a loaded machine. */
const DEADLINE_MS = 15_000;

/** The bundled command, as it ships, as a child process, and what it says while it runs. */
export class RunningCommand {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #onOutput = (): void => undefined;

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
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#onOutput();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#onOutput();
    });
    this.#ended = once(this.#child, 'close').then(([status]: unknown[]) => {
      return { status: status as number | null, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  /** Rejects where it does not end in time. */
  async outcome(): Promise<Outcome> {
    return await within(this.#ended, () => `the command did not end; ${this.#said()}`);
  }

  /** Waits until standard output or error matches. */
  async untilSaid(pattern: RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (pattern.test(this.#stdout) || pattern.test(this.#stderr)) resolve();
    };
    this.#onOutput = look;
    look();
    await within(promise, () => `never said ${String(pattern)}; ${this.#said()}`);
  }

  /** The log of an agent so far. */
  log(): Record<string, unknown>[] {
    const lines = this.#stdout.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
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

  #said(): string {
    return `it said:\n${this.#stdout}${this.#stderr}`;
  }
}

async function within<T>(promise: Promise<T>, why: () => string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(why())), DEADLINE_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
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
