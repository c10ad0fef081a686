import { isAbsolute, join, resolve } from 'node:path';
import * as z from 'zod/mini';
import { readDocument } from '../config/document.ts';
import { type Config, parseConfig } from '../config/load.ts';
import { isNodetenderError } from '../errors.ts';
import { readStateFile, type StateFileFormat, writeStateFile } from '../images/statefile.ts';

/** A configuration that was in force, by its text: what it means is found anew by the agent that reads it. */
interface KeptConfig {
  /** Of the file that had this text. */
  readonly path: string;
  readonly text: string;
  /** Wall clock. */
  readonly acceptedAtMs: number;
  /** When it was last known to be in force; wall clock. Copies of earlier agents do not say: not before it was accepted. */
  readonly inForceAtMs?: number | undefined;
}

/** In place of a copy, in the usual state directory: that of the configuration at `path` is elsewhere, as only its text says. */
interface Pointer {
  readonly path: string;
  readonly keptIn: string;
}

/** At most a configuration file long, and what JSON adds. */
const FILE_NAME = 'last-good-config.json';

/**
 * A copy is renewed every day. One that has not been for so long is of an earlier installation: no node is switched off for a month
 * for a repair or over holidays, and nobody expects the windows and hooks of then to hold.
 */
const USABLE_FOR_MS = 30 * 24 * 3_600_000;

const schema = z.union([
  z.object({ path: z.string(), text: z.string(), acceptedAtMs: z.number(), inForceAtMs: z.optional(z.number()) }),
  z.object({ path: z.string(), keptIn: z.string() }),
]);

const format: StateFileFormat<KeptConfig | Pointer> = {
  name: 'nodetender/config',
  version: 1,
  // A URL to which messages go may stand in it.
  isPrivate: true,
  parse: (body) => schema.parse(body),
};

/** Keeps what is in force over the agent's life. Throws `state/unwritable`; what was kept before is then still whole. */
export async function keepConfig(directory: string, kept: KeptConfig): Promise<void> {
  await writeStateFile(join(directory, FILE_NAME), format, { ...kept, path: resolve(kept.path) });
}

/**
 * Leaves word in the usual state directory of a copy that is elsewhere, for an agent that cannot read where; a copy of before goes by
 * that. What is there of another file stays, and its path is given: then no word is left. Throws `state/unwritable`.
 */
export async function pointToCopy({
  usual,
  keptIn,
  path,
}: Pointer & { readonly usual: string }): Promise<string | undefined> {
  if (resolve(usual) === resolve(keptIn)) return undefined;
  const file = join(usual, FILE_NAME);
  const pointer: Pointer = { path: resolve(path), keptIn };
  const content = await readStateFile(file, format);
  if (content.state === 'ok') {
    const { value } = content;
    if (value.path !== pointer.path) return value.path;
    if ('keptIn' in value && value.keptIn === keptIn) return undefined;
  }
  await writeStateFile(file, format, pointer);
  return undefined;
}

export type Recalled =
  | {
      readonly config: Config;
      readonly text: string;
      readonly acceptedAtMs: number;
      /** As KeptConfig has it. */
      readonly inForceAtMs: number;
    }
  /** There is none, or none that can be used. */
  | { readonly why: string };

/** What was in force last of the file at `path`, by the copies in these state directories. Never throws. */
export async function recallConfig(directories: readonly string[], path: string, nowMs: number): Promise<Recalled> {
  const found = await Promise.all(directories.map((directory) => find(directory, path)));
  const copies = found.flatMap((each) => ('why' in each ? [] : [each]));
  // Where the state directory has been changed there may be one of before: only the last is what was in force.
  const [last] = copies.toSorted((one, other) => other.inForceAtMs - one.inForceAtMs);
  if (last === undefined) return { why: found.flatMap((each) => ('why' in each ? [each.why] : [])).join('; ') };
  const { file, text, acceptedAtMs, inForceAtMs } = last;
  if (nowMs - inForceAtMs > USABLE_FOR_MS) {
    return { why: `${file} was last in force at ${new Date(inForceAtMs).toISOString()}, more than 30 days ago` };
  }
  try {
    return { config: parseConfig(text, file), text, acceptedAtMs, inForceAtMs };
  } catch (error) {
    if (!isNodetenderError(error)) throw error;
    // Of another version of the agent.
    return { why: error.message };
  }
}

type Found =
  | { readonly file: string; readonly text: string; readonly acceptedAtMs: number; readonly inForceAtMs: number }
  | { readonly why: string };

async function find(directory: string, path: string, mayPoint = true): Promise<Found> {
  const file = join(directory, FILE_NAME);
  const content = await readStateFile(file, format);
  if (content.state === 'fresh') return { why: `there is no ${file}` };
  if (content.state === 'corrupt') return { why: `${file}: ${content.why}` };
  const { value } = content;
  // Of an agent with another task, on the same state directory.
  if (value.path !== resolve(path)) return { why: `${file} is of ${value.path}` };
  if ('keptIn' in value) {
    return mayPoint ? await find(value.keptIn, path, false) : { why: `${file} points to ${value.keptIn}` };
  }
  const { text, acceptedAtMs, inForceAtMs = acceptedAtMs } = value;
  return { file, text, acceptedAtMs, inForceAtMs };
}

/** The state directory that a refused text names; undefined: none that can be read. */
export function stateDirectoryOf(refused: string | undefined): string | undefined {
  const value = refused === undefined ? undefined : readDocument(refused).value;
  const named = z.safeParse(z.object({ stateDirectory: z.string() }), value);
  return named.success && isAbsolute(named.data.stateDirectory) ? named.data.stateDirectory : undefined;
}
