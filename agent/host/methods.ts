import type { Clock } from '../clock.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { CommandRunner, type Start } from './childcommand.ts';
import { heeds, type InitProcess, requireHostInit } from './initprocess.ts';
import { nsenterFailed, onHost } from './nsenter.ts';

/** A way to reboot that goes past logind. */
export interface RebootMethod {
  /** Throws `host/…` where it could not work. */
  check(signal: AbortSignal | undefined): Promise<void>;
  /** Throws `host/reboot-unanswered` when it may have worked all the same. */
  reboot(signal: AbortSignal | undefined): Promise<void>;
}

/** SIGRTMIN+5, which systemd as PID 1 takes for `systemctl reboot`, in the C library's count: the kernel's begins at 32, glibc and musl keep two or three. */
export const REBOOT_SIGNAL = 39;

export interface SignalOptions {
  readonly init: InitProcess;
  readonly signalNumber?: number;
}

/** Tells PID 1 by a signal. Needs hostPID, and no capability. */
export function signalMethod({ init, signalNumber = REBOOT_SIGNAL }: SignalOptions): RebootMethod {
  const check = async (): Promise<void> => {
    await requireHostInit(init);
    if (await heeds(init, signalNumber)) return;
    throw new NodetenderError(
      'host/no-init',
      `expected PID ${init.pid} to heed signal ${signalNumber}, as systemd does, but it would ignore it. Choose reboot.method command with what reboots this host.`,
    );
  };
  return {
    check,
    reboot: async () => {
      await check();
      try {
        process.kill(init.pid, signalNumber);
      } catch (error) {
        throw new NodetenderError(
          'host/reboot-denied',
          `cannot send signal ${signalNumber} to PID ${init.pid}: ${messageOf(error)}. The agent must run as root (uid 0) with hostPID.`,
          { cause: error },
        );
      }
    },
  };
}

export interface CommandMethodOptions {
  readonly init: InitProcess;
  /** Program and arguments, on the host. */
  readonly command: readonly string[];
  readonly deadlineMs?: number;
  readonly clock: Clock;
  readonly runners?: Runners;
}

/** A reboot is rare, and not held up by a question without an answer. */
export interface Runners {
  /** Of what is asked every minute, and must not pile up. */
  readonly checks: CommandRunner;
  readonly reboots: CommandRunner;
}

export function newRunners(start?: Start): Runners {
  return { checks: new CommandRunner(start), reboots: new CommandRunner(start) };
}

/** `systemctl reboot` returns at once; other programs may wait for services to stop. */
const DEFAULT_DEADLINE_MS = 60_000;

/** Runs a command that sees the host's files. Needs hostPID and the privilege to enter a mount namespace. */
export function commandMethod(options: CommandMethodOptions): RebootMethod {
  const { init, command, clock, deadlineMs = DEFAULT_DEADLINE_MS, runners = newRunners() } = options;
  const run = async (runner: CommandRunner, argv: readonly string[], signal: AbortSignal | undefined) => {
    await requireHostInit(init);
    const result = await runner.run(onHost(argv, init), { clock, deadlineMs, signal });
    if (result.exitCode !== 0 && nsenterFailed(result.output)) {
      throw new NodetenderError(
        'host/reboot-denied',
        `cannot enter the host's mount namespace (${result.output.slice(-300)}). Reboot method command needs hostPID and privileged: true.`,
      );
    }
    return result;
  };
  return {
    check: async (signal) => {
      const [program = ''] = command;
      // Nothing but a path can be looked for without a shell of the host.
      const argv = program.startsWith('/') ? ['test', '-x', program] : ['true'];
      const { exitCode, output } = await run(runners.checks, argv, signal);
      if (exitCode === 0) return;
      throw new NodetenderError(
        'host/reboot-failed',
        `expected ${JSON.stringify(program)} to be a program on the host, but it is not${output === '' ? '' : ` (${output.slice(-300)})`}. Check reboot.command.`,
      );
    },
    reboot: async (signal) => {
      const name = JSON.stringify(command.join(' '));
      let result;
      try {
        result = await run(runners.reboots, command, signal);
      } catch (error) {
        if (isNodetenderError(error, 'host/deadline', 'host/cancelled')) throw unanswered(messageOf(error), error);
        throw error;
      }
      // A shutdown ends it as it ends everything.
      if (result.exitCode === undefined) throw unanswered(`${name} was ended by a signal`);
      if (result.exitCode === 0) return;
      throw new NodetenderError(
        'host/reboot-failed',
        `the reboot command ${name} ended with ${result.exitCode}: ${result.output.slice(-300)}`,
      );
    },
  };
}

/** It was asked, and there is no telling whether it will happen. */
export function unanswered(found: string, cause?: unknown): NodetenderError {
  return new NodetenderError(
    'host/reboot-unanswered',
    `the host was asked to reboot and may do so, but has not confirmed it: ${found}`,
    { cause },
  );
}
