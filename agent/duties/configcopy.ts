import { isAbsolute, join, resolve } from 'node:path';
import * as z from 'zod/mini';
import { readDocument } from '../config/document.ts';
import { type Config, defaultConfig, parseConfig } from '../config/load.ts';
import { isNodetenderError } from '../errors.ts';
import { readStateFile, type StateFileFormat, writeStateFile } from '../images/statefile.ts';

/** A configuration that was in force, by its text: what it means is found anew by the agent that reads it. */
interface KeptConfig {
  /** Of the file that had this text. */
  readonly path: string;
  readonly text: string;
  /** Wall clock. */
  readonly acceptedAtMs: number;
}

/** At most a configuration file long, and what JSON adds. */
const FILE_NAME = 'last-good-config.json';

const schema = z.object({ path: z.string(), text: z.string(), acceptedAtMs: z.number() });

const format: StateFileFormat<KeptConfig> = {
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

export type Recalled =
  | { readonly config: Config; readonly acceptedAtMs: number }
  /** There is none, or none that can be used. */
  | { readonly why: string };

/** What was in force last of the file at `path`. Never throws. */
export async function recallConfig(directory: string, path: string): Promise<Recalled> {
  const file = join(directory, FILE_NAME);
  const content = await readStateFile(file, format);
  if (content.state === 'fresh') return { why: `there is no ${file}` };
  if (content.state === 'corrupt') return { why: `${file}: ${content.why}` };
  const { text, acceptedAtMs, path: of } = content.value;
  // Of an agent with another task, on the same state directory.
  if (of !== resolve(path)) return { why: `${file} is of ${of}` };
  try {
    return { config: parseConfig(text, file), acceptedAtMs };
  } catch (error) {
    if (!isNodetenderError(error)) throw error;
    // Of another version of the agent.
    return { why: error.message };
  }
}

/** Where an agent whose configuration is refused has kept its state: what the refused text says of it counts if it can be read. */
export function stateDirectoryOf(refused: string | undefined): string {
  const value = refused === undefined ? undefined : readDocument(refused).value;
  const named = z.safeParse(z.object({ stateDirectory: z.string() }), value);
  return named.success && isAbsolute(named.data.stateDirectory)
    ? named.data.stateDirectory
    : defaultConfig.stateDirectory;
}
