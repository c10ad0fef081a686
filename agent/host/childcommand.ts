import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import type { Clock } from '../clock.ts';
import { withinDeadline } from '../deadline.ts';
import { messageOf, NodetenderError } from '../errors.ts';

export interface CommandOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CommandResult {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** The end of what it wrote to both outputs. */
  readonly output: string;
}

const MAX_OUTPUT_BYTES = 4096;
/** What it wrote last may arrive after its end, and a child of its own may hold its outputs open for ever. */
const LAST_OUTPUT_MS = 200;
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Starts a program; tests have others than the kernel's. */
export type Start = (argv: readonly string[]) => ChildProcess;

/** In a session of its own, so that its children can be ended with it. */
const startProcess: Start = ([program = '', ...args]) =>
  spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: ENVIRONMENT, detached: true });

/**
 * Runs programs without a shell, with an environment of their own. SIGKILL does not end one that the kernel holds (state D), as over a
 * mount that does not answer: until it has ended no other is started in its place, or a host would fill with them.
 */
export class CommandRunner {
  readonly #start: Start;
  /** Of those that were killed and have not ended. */
  #unended = 0;

  constructor(start = startProcess) {
    this.#start = start;
  }

  /**
   * Throws `host/command-failed` when it does not start, and `host/deadline` or `host/cancelled` after killing it and its children.
   */
  async run(argv: readonly string[], options: CommandOptions): Promise<CommandResult> {
    const { clock, deadlineMs: ms, signal } = options;
    const name = JSON.stringify(argv.join(' '));
    if (this.#unended > 0) {
      throw new NodetenderError(
        'host/command-failed',
        `${name} is not run again: the one before was killed and still runs. Look for it with ps: in state D it waits for the kernel, as for a mount that does not answer.`,
      );
    }
    return await withinDeadline(
      { clock, ms, signal },
      async (over) => await this.#counted(run(argv, this.#start, clock, over), over),
      (why) =>
        why === 'cancelled'
          ? new NodetenderError('host/cancelled', `${name} was cancelled`)
          : new NodetenderError('host/deadline', `${name} has not ended within ${ms / 1000} s and was killed`),
    );
  }

  async #counted<T>(running: Promise<T>, over: AbortSignal): Promise<T> {
    const count = (): void => {
      this.#unended += 1;
    };
    over.addEventListener('abort', count, { once: true });
    try {
      return await running;
    } finally {
      over.removeEventListener('abort', count);
      if (over.aborted) this.#unended -= 1;
    }
  }
}

async function run(argv: readonly string[], start: Start, clock: Clock, over: AbortSignal): Promise<CommandResult> {
  const [program = ''] = argv;
  const child = start(argv);
  const output = new Tail();
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => output.append(bytes));
  // What went wrong is heard as its 'error' event; here only the end counts.
  const closed = once(child, 'close').catch(() => undefined);
  const kill = (): void => killGroup(child);
  over.addEventListener('abort', kill, { once: true });
  let exitCode: number | null;
  try {
    [exitCode] = (await once(child, 'exit')) as [number | null];
  } catch (error) {
    throw new NodetenderError('host/command-failed', `cannot run ${JSON.stringify(program)}: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    over.removeEventListener('abort', kill);
  }
  await Promise.race([closed, clock.sleep(LAST_OUTPUT_MS)]);
  child.stdout?.destroy();
  child.stderr?.destroy();
  return { exitCode: exitCode ?? undefined, output: output.text() };
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** The last bytes of an output. */
class Tail {
  #bytes: Buffer = Buffer.alloc(0);

  append(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]).subarray(-MAX_OUTPUT_BYTES);
  }

  text(): string {
    return this.#bytes.toString('utf8').trim();
  }
}
