import type { DestinationStream } from 'pino';
import type { Terminal } from './terminal.ts';

/** What a command may know of the process it runs in. */
export interface Host {
  readonly terminal: Terminal;
  /** Where the agent's log goes: standard output unless given. */
  readonly log?: DestinationStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts when the process is asked to end (SIGINT, SIGTERM, and SIGHUP where nobody listens for it). */
  readonly stop: AbortSignal;
  /** Replaces the listener of SIGUSR1 or SIGHUP. */
  onSignal(name: 'SIGUSR1' | 'SIGHUP', listener: () => void): void;
  /** Replaces what is done with a defect before the process ends with status 1. */
  onCrash(report: (error: unknown) => void): void;
}

/** The exit statuses of every command. */
export const exitStatus = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;
