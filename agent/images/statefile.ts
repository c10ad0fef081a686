import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { messageOf, NodetenderError } from '../errors.ts';

/**
 * One JSON document in the state directory, replaced whole: a crash at any byte leaves the old document or the new one.
 * The checksum is there for what a rename cannot exclude: a disk that lies, an editor, a half-copied backup.
 */
export interface StateFileFormat<T> {
  /** For example `nodetender/history`. */
  readonly name: string;
  readonly version: number;
  /** For the agent's user alone: the body may hold a secret. */
  readonly isPrivate?: boolean;
  /** Turns the body into the value; throws an Error that says what is wrong. */
  parse(body: unknown): T;
}

export type StateFileContent<T> =
  | { readonly state: 'fresh' }
  | { readonly state: 'ok'; readonly value: T }
  /** There is a file but it cannot be used. */
  | { readonly state: 'corrupt'; readonly why: string };

/** The few calls on the file system that are needed, so that tests can stop a write after any of them. */
export interface StateFileSystem {
  /** The text, or undefined when there is no such file. */
  read(path: string): Promise<string | undefined>;
  makeDirectory(path: string): Promise<void>;
  /** Creates (with that mode) or empties the file, writes all of the text and flushes it to the disk. */
  writeFlushed(path: string, text: string, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  flushDirectory(path: string): Promise<void>;
  /** The names in a directory. */
  list(path: string): Promise<readonly string[]>;
  /** When the file was last written, by the file system's clock. */
  modifiedAtMs(path: string): Promise<number>;
  /** One that is gone already is success. */
  remove(path: string): Promise<void>;
}

export const stateFileSystem: StateFileSystem = {
  read: async (path) => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  },
  makeDirectory: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o755 });
  },
  writeFlushed: async (path, text, mode) => {
    const file = await open(path, 'w', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  },
  rename,
  flushDirectory: async (path) => {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  list: async (path) => await readdir(path),
  modifiedAtMs: async (path) => (await stat(path)).mtimeMs,
  remove: async (path) => await rm(path, { force: true }),
};

/** A write takes milliseconds, on a struggling disk seconds: a temporary file this much older than the document is nobody's. */
const LEFTOVER_AFTER_MS = 10 * 60_000;

/** Never throws: a file that is there but cannot be read or understood is `corrupt`. */
export async function readStateFile<T>(
  path: string,
  format: StateFileFormat<T>,
  fileSystem: StateFileSystem = stateFileSystem,
): Promise<StateFileContent<T>> {
  let text: string | undefined;
  try {
    text = await fileSystem.read(path);
  } catch (error) {
    return { state: 'corrupt', why: `it cannot be read: ${messageOf(error)}` };
  }
  if (text === undefined) return { state: 'fresh' };
  try {
    return { state: 'ok', value: decode(text, format) };
  } catch (error) {
    return { state: 'corrupt', why: messageOf(error) };
  }
}

/** Replaces the document. Throws `state/unwritable`; whatever was there before is then still whole. */
export async function writeStateFile<T>(
  path: string,
  format: StateFileFormat<T>,
  body: unknown,
  fileSystem: StateFileSystem = stateFileSystem,
): Promise<void> {
  const directory = dirname(path);
  // A name of its own for each write: a second agent on the same directory (an update that overlaps, a command) must neither
  // write into a half-written file of ours nor rename it.
  const temporary = join(directory, `${temporaryPrefix(path)}${randomUUID()}.new`);
  try {
    await fileSystem.makeDirectory(directory);
    await fileSystem.writeFlushed(temporary, encode(format, body), format.isPrivate === true ? 0o600 : 0o644);
    await fileSystem.rename(temporary, path);
    // Without this the rename itself may be lost with the power.
    await fileSystem.flushDirectory(directory);
  } catch (error) {
    // The failure before it is the one that is told; what stays behind goes with a later good write.
    await fileSystem.remove(temporary).catch(() => undefined);
    throw new NodetenderError(
      'state/unwritable',
      `cannot write ${path}: ${messageOf(error)}. The state directory must exist and be writable by the agent, with room left.`,
      { cause: error },
    );
  }
  await removeLeftovers(path, fileSystem);
}

/**
 * What crashes left half-written goes with the next good write. Ages are by the file system's clock alone, against the
 * document just written. Best effort: the document is safe, and the next write tries again.
 */
async function removeLeftovers(path: string, fileSystem: StateFileSystem): Promise<void> {
  const directory = dirname(path);
  try {
    const names = await fileSystem.list(directory);
    for (const name of names) {
      if (!name.startsWith(temporaryPrefix(path)) || !name.endsWith('.new')) continue;
      const leftover = join(directory, name);
      const olderMs = (await fileSystem.modifiedAtMs(path)) - (await fileSystem.modifiedAtMs(leftover));
      if (olderMs > LEFTOVER_AFTER_MS) await fileSystem.remove(leftover);
    }
  } catch {
    // Another writer may have renamed its file or removed this one between two of the calls.
  }
}

function temporaryPrefix(path: string): string {
  return `.${basename(path)}.`;
}

/**
 * Moves a corrupt document out of the way for a person to look at, and says in words what became of it. Only the last is
 * kept: they must not fill the disk.
 */
export async function setAside(path: string, fileSystem: StateFileSystem = stateFileSystem): Promise<string> {
  try {
    await fileSystem.rename(path, `${path}.corrupt`);
    return `it was set aside as ${path}.corrupt`;
  } catch (error) {
    return `it could not be set aside either (${messageOf(error)})`;
  }
}

function encode(format: StateFileFormat<unknown>, body: unknown): string {
  const text = JSON.stringify(body);
  return `{"format":${JSON.stringify(format.name)},"version":${format.version},"sha256":"${sha256(text)}","body":${text}}\n`;
}

function decode<T>(text: string, format: StateFileFormat<T>): T {
  const document = parsed(text, format);
  if (typeof document !== 'object' || document === null) throw new Error('expected a JSON object');
  const { format: name, version, sha256: checksum, body } = document as Record<string, unknown>;
  if (name !== format.name) throw new Error(`expected format ${format.name}, found ${JSON.stringify(name)}`);
  if (version !== format.version) {
    throw new Error(`expected version ${format.version}, found ${JSON.stringify(version)}`);
  }
  if (checksum !== sha256(JSON.stringify(body))) throw new Error('the checksum does not match the content');
  return format.parse(body);
}

function parsed(text: string, { isPrivate = false }: StateFileFormat<unknown>): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // The parser quotes what it stumbles over.
    throw isPrivate ? new Error('expected JSON, found something else') : error;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
