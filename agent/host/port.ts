import type { ErrorCode, NodetenderError } from '../errors.ts';

/**
 * What the agent needs of the machine it runs on, to reboot it. Every call has a deadline of its own and rejects with a
 * NodetenderError whose code begins `host/`. Nothing is kept open between calls: the system bus may come and go.
 */
export interface HostPort {
  /** Which boot this is. Throws `host/no-boot`. */
  boot(): Promise<Boot>;
  /**
   * Whether a reboot would be let through, asked before anything is cordoned. Inhibitors do not count: they come and go.
   * Rejects only when `signal` aborts: whatever stands in the way of an answer stands in the way of the reboot too.
   */
  canReboot(signal?: AbortSignal): Promise<RebootAbility>;
  /**
   * Who forbids a shutdown for the moment. Empty where the host has no logind, and so nobody who could forbid it through it.
   */
  inhibitors(signal?: AbortSignal): Promise<readonly Inhibitor[]>;
  /**
   * Whether a shutdown is under way, or logind has one scheduled, as after `shutdown -r +15`. Undefined where the host has no logind
   * to tell.
   */
  preparingForShutdown(signal?: AbortSignal): Promise<boolean | undefined>;
  /**
   * Asks for a reboot, after asking once more that nobody forbids it. Resolves when the host has accepted, which does not
   * say that it will happen. Throws `host/inhibited` with nothing called, `host/reboot-denied`, `host/reboot-failed`, or
   * `host/reboot-unanswered` when it was asked and may happen, or not.
   */
  reboot(signal?: AbortSignal): Promise<void>;
}

export interface Boot {
  /** A random UUID that the kernel makes at each boot: the one proof that there was one. */
  readonly bootId: string;
  readonly uptimeMs: number;
  /** By the wall clock, which may have been set since. */
  readonly bootedAtMs: number;
}

export type RebootAbility =
  | { readonly able: true }
  /** `text` says who denies it and what to do. */
  | { readonly able: false; readonly code: ErrorCode; readonly text: string };

/** A program that has asked logind to keep the machine running for now, as apt does while it unpacks. */
export interface Inhibitor {
  readonly who: string;
  readonly why: string;
  readonly uid: number;
  readonly pid: number;
}

/** Whether the host asks for a reboot. */
export type RebootNeed =
  | { readonly wanted: false }
  | {
      readonly wanted: true;
      readonly kind: 'sentinel' | 'command';
      /** When the wish was first there, by the wall clock. */
      readonly sinceMs: number;
      /** For how long nothing about it has changed: a package run may still be adding to it. */
      readonly settledForMs: number;
      /** Names of the packages that ask for it, as far as the host tells. */
      readonly packages: readonly string[];
      /**
       * Of a file, when it was written last, as the file system has it: what has become of the clock since changes nothing in it, so
       * that the same after a reboot is the same wish. Undefined for a command.
       */
      readonly writtenAtMs: number | undefined;
    };

/** Where the host says that it wants a reboot: a file, or the exit status of a command. */
export interface NeedSource {
  /** As of the last look, with `settledForMs` as of now. Undefined while it is not known. */
  current(): RebootNeed | undefined;
  /** Why it is not known. */
  readonly problem: NodetenderError | undefined;
  /**
   * Keeps it current until `signal` aborts, and calls `onChange` after each look that saw something else than the one before.
   * Never rejects.
   */
  follow(onChange: () => void, signal: AbortSignal): Promise<void>;
}
