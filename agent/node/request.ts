import { type LastClean, maxRequestLength } from '../cluster/records.ts';

/** What the annotations of a Node, together with what this process knows better, say of a wish to clean it. */
export interface RequestMarks {
  /** `nodetender.dev/clean` now. */
  readonly clean: string | undefined;
  /** The value accepted last. */
  readonly handled: string | undefined;
  /** The value done last. */
  readonly done: string | undefined;
}

export type RequestStep =
  /** Nothing is asked for, or it is done. */
  | { readonly kind: 'none' }
  | { readonly kind: 'refuse'; readonly value: string; readonly why: string }
  /** Accept the value, unless an earlier life of the agent has (`accepted`), and run. */
  | { readonly kind: 'run'; readonly value: string; readonly dryRun: boolean; readonly accepted: boolean };

/**
 * What to do about the annotation. A value counts once: it is new while it differs from the one accepted last, and
 * unfinished until the one done last is equal. A value that somebody takes away again is withdrawn.
 */
export function nextStep({ clean, handled, done }: RequestMarks): RequestStep {
  if (clean === undefined) return { kind: 'none' };
  const accepted = clean === handled;
  if (accepted && clean === done) return { kind: 'none' };
  const why = whatIsWrong(clean);
  if (why !== undefined) return { kind: 'refuse', value: clean, why };
  return { kind: 'run', value: clean, dryRun: clean.startsWith('dry-run'), accepted };
}

/** Undefined for a value that may ask for a run. */
function whatIsWrong(value: string): string | undefined {
  const expected = 'expected any new word, such as the time of day, or one that begins with dry-run';
  if (value.trim() === '') return `${expected}, found nothing`;
  if (value.length > maxRequestLength) return `${expected}, of at most ${maxRequestLength} characters`;
  const notHere = 'images are named by an ImageList, not here';
  if (!/^[\w .:+-]+$/.test(value)) return `${expected}, of letters, digits, spaces and _ . : + - alone; ${notHere}`;
  if (isImageName(value)) return `${expected}; ${notHere}`;
  if (isMeantAsDryRun(value)) return `${expected}; it is not clear whether anything may be removed`;
  return undefined;
}

/** `alpine:3.7`, which a person may type here who wants that image gone; a time such as 10:15 is none. */
function isImageName(value: string): boolean {
  return /^(?!dry-run)[a-z][\w.-]*:[\w.-]+$/.test(value);
}

/** `dryrun`, `Dry-Run`, `dry_run`: whoever types it wants nothing removed. */
function isMeantAsDryRun(value: string): boolean {
  return !value.startsWith('dry-run') && /^\s*dry[\s_-]*run/i.test(value);
}

/** The value that a result names as done. */
export function doneRequest(lastClean: LastClean | undefined): string | undefined {
  return lastClean?.request ?? undefined;
}
