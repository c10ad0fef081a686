import type { Clock } from '../clock.ts';
import { type ErrorCode, isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { type CommandResult, CommandRunner } from './childcommand.ts';
import { type InitProcess, requireHostInit } from './initprocess.ts';
import { nsenterFailed, onHost } from './nsenter.ts';
import type { NeedSource, RebootNeed } from './port.ts';

export interface SentinelCommandOptions {
  /** Program and arguments, run on the host. Exit status 0 asks for a reboot, another does not. */
  readonly command: readonly string[];
  readonly everyMs: number;
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Whose view of the file system the command has; undefined for the agent's own. */
  readonly init: InitProcess | undefined;
  readonly runner?: CommandRunner;
}

/** A shell and env say with these that they could not run the command: it has said nothing. */
const NOT_RUN = new Set([126, 127]);

/** A reboot wanted by a command, as dnf's needs-restarting. Throws nothing: look at `problem`. */
export class SentinelCommand implements NeedSource {
  problem: NodetenderError | undefined;
  readonly #options: SentinelCommandOptions;
  readonly #runner: CommandRunner;
  #wanted: boolean | undefined;
  /** Its last answer: not knowing for a while neither begins a new wish nor makes one older. */
  #said: boolean | undefined;
  #since: { readonly ms: number; readonly monotonicMs: number };

  constructor(options: SentinelCommandOptions) {
    this.#options = options;
    this.#runner = options.runner ?? new CommandRunner();
    this.#since = this.#now();
  }

  current(): RebootNeed | undefined {
    if (this.#wanted === undefined) return undefined;
    if (!this.#wanted) return { wanted: false };
    const settledForMs = this.#options.clock.monotonicMs() - this.#since.monotonicMs;
    return {
      wanted: true,
      kind: 'command',
      sinceMs: this.#since.ms,
      settledForMs,
      packages: [],
      writtenAtMs: undefined,
    };
  }

  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = { wanted: this.#wanted, problem: this.problem?.message };
      await this.#ask(signal);
      // A run that was cut short has not said anything.
      if (signal.aborted) return;
      if (this.#wanted !== before.wanted || this.problem?.message !== before.problem) onChange();
      await this.#options.clock.sleep(this.#options.everyMs, signal);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      const wanted = await this.#run(signal);
      if (wanted && this.#said !== true) this.#since = this.#now();
      this.#said = wanted;
      this.#wanted = wanted;
      this.problem = undefined;
    } catch (error) {
      this.#wanted = undefined;
      this.problem = isNodetenderError(error) ? error : failed('host/command-failed', messageOf(error));
    }
  }

  async #run(signal: AbortSignal): Promise<boolean> {
    const { command, init, clock, deadlineMs } = this.#options;
    if (init !== undefined) await requireHostInit(init);
    const argv = init === undefined ? command : onHost(command, init);
    const result = await this.#runner.run(argv, { clock, deadlineMs, signal });
    if (saidNothing(result)) {
      const end = result.exitCode === undefined ? 'was ended by a signal' : `ended with ${result.exitCode}`;
      throw failed('host/command-failed', `${JSON.stringify(command.join(' '))} ${end}: ${result.output.slice(-300)}`);
    }
    return result.exitCode === 0;
  }

  #now(): { readonly ms: number; readonly monotonicMs: number } {
    return { ms: this.#options.clock.nowMs(), monotonicMs: this.#options.clock.monotonicMs() };
  }
}

function saidNothing({ exitCode, output }: CommandResult): boolean {
  return exitCode === undefined || NOT_RUN.has(exitCode) || (exitCode !== 0 && nsenterFailed(output));
}

function failed(code: ErrorCode, found: string): NodetenderError {
  return new NodetenderError(
    code,
    `the sentinel command has not answered: expected exit status 0 (reboot) or another (none), but ${found}. Until it does no reboot is wanted on its account.`,
  );
}
