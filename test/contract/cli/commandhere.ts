import { runCommandLine } from '../../../agent/cli/program.ts';
import { type Outcome, Said } from './said.ts';

export interface CommandHereOptions {
  /** Of its terminal; a pipe has none. */
  readonly columns?: number;
  /** What a person at the keyboard types, when asked. */
  readonly answer?: () => Promise<string>;
}

/**
 * A command in the test's own process, which costs a tenth of one of its own. Its environment is that of the test. What only a
 * process can show (that it ends by itself, its pipes, its signals) is tried with RunningCommand.
 */
export class CommandHere {
  readonly #said = new Said();
  readonly #stop = new AbortController();
  readonly #listeners = new Map<string, () => void>();
  readonly #ended: Promise<number>;

  constructor(args: readonly string[], options: CommandHereOptions = {}) {
    const { out, err } = this.#said;
    const { columns, answer } = options;
    this.#ended = runCommandLine(args, {
      terminal: {
        out,
        err,
        columns,
        isLive: false,
        rows: undefined,
        ask:
          answer &&
          (async (question) => {
            err(question);
            return await answer();
          }),
        paint: (_color, text) => text,
      },
      log: { write: out },
      env: process.env,
      stop: this.#stop.signal,
      onSignal: (name, listener) => this.#listeners.set(name, listener),
      onCrash: () => undefined,
    });
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

  /** As agent/main.ts does on that signal. */
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR1'): void {
    const listener = this.#listeners.get(name);
    if (listener === undefined) this.#stop.abort(name);
    else listener();
  }

  async dispose(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}
