import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

import { eventually } from './eventually.ts';

const STOP_DEADLINE_MS = 30_000;

export interface DaemonSpec {
  /** For messages. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** The file that its output is appended to. */
  readonly log: string;
  /** True once it serves; throwing means not yet. */
  readonly ready: () => Promise<boolean>;
  readonly readyDeadlineMs: number;
}

/** A process that serves, can be stopped, killed and started again, and dies with the test runner whatever happens. */
export class Daemon {
  readonly #spec: DaemonSpec;
  #process: ChildProcess | undefined;

  constructor(spec: DaemonSpec) {
    this.#spec = spec;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  /** Throws while it does not run. */
  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error(`${this.#spec.name} is not running`);
    return pid;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const { name, program, args, log, ready, readyDeadlineMs } = this.#spec;
    if (this.#process !== undefined) throw new Error(`${name} is already running`);
    const output = openSync(log, 'a');
    // setpriv becomes the program, so the process ID is the program's, and SIGKILL to the runner takes it along.
    const process = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: ['ignore', output, output] });
    closeSync(output);
    this.#process = process;
    process.once('error', () => {});
    const isReady = async (): Promise<'ready' | 'ended' | false> => {
      if (hasEnded(process)) return 'ended';
      return (await ready()) ? 'ready' : false;
    };
    let outcome;
    try {
      outcome = await eventually(`${name} serves`, isReady, readyDeadlineMs);
    } catch (error) {
      throw new Error(`${name} does not serve:\n${await this.logTail()}`, { cause: error });
    }
    if (outcome === 'ended') {
      this.#process = undefined;
      throw new Error(`${name} ended at once:\n${await this.logTail()}`);
    }
  }

  /** Ends it gracefully. Does nothing when it does not run. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It keeps its connections and answers nothing, until `resume`: a hung machine or a network that swallows packets. */
  async pause(): Promise<void> {
    const process = this.#process;
    if (process === undefined) throw new Error(`${this.#spec.name} is not running`);
    process.kill('SIGSTOP');
    // Its threads stop one after the other, and one that has not yet may still answer.
    await eventually(`${this.#spec.name} is stopped`, async () => {
      const threads = await readdir(`/proc/${process.pid}/task`);
      const states = threads.map((thread) => readFile(`/proc/${process.pid}/task/${thread}/stat`, 'utf8'));
      return (await Promise.all(states)).every((stat) => / T /.test(stat));
    });
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** The end of its log, to tell why something failed. */
  async logTail(): Promise<string> {
    const text = await readFile(this.#spec.log, 'utf8').catch(() => '');
    return text.split('\n').slice(-30).join('\n');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    if (!hasEnded(process)) {
      const exited = once(process, 'exit');
      process.kill(signal);
      // A process that was paused gets to its SIGTERM only when it goes on.
      process.kill('SIGCONT');
      await Promise.race([
        exited,
        eventually(`${this.#spec.name} ends`, () => hasEnded(process), STOP_DEADLINE_MS).catch(() => {
          process.kill('SIGKILL');
        }),
      ]);
      await eventually(`${this.#spec.name} ends`, () => hasEnded(process));
    }
    this.#process = undefined;
  }
}

function hasEnded(process: ChildProcess): boolean {
  return process.pid === undefined || process.exitCode !== null || process.signalCode !== null;
}
