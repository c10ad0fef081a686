import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readlink, rename, unlink, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';

import type { Clock } from '../clock.ts';
import { isNodetenderError, messageOf, NodetenderError } from '../errors.ts';
import { readBootId } from '../host/boot.ts';

/** What a process is, so that another can tell whether it lives. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Changes with every boot of the machine. */
  readonly bootId: string;
  /** Process numbers mean nothing outside of it: the agent in its container and a command on the host differ. */
  readonly pidNamespace: string;
  /** In clock ticks since boot: tells a process from a later one of the same number. */
  readonly startTicks: string;
}

/** How the lock sees processes; tests play others. */
export interface ProcessView {
  self(): Promise<ProcessIdentity>;
  /** Start time of a process of this namespace; undefined when there is none. */
  startTicksOf(pid: number): Promise<string | undefined>;
  /** Seconds since boot: the one clock that all processes of a machine share and nobody sets. */
  uptimeSeconds(): number;
}

export interface RunLockOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly processes?: ProcessView;
}

export interface RunLock {
  /** Set when the lock file could not be written: then the lock holds in this process only. */
  readonly problem: NodetenderError | undefined;
  release(): Promise<void>;
}

interface Holder extends ProcessIdentity {
  readonly token: string;
  readonly beatUptimeSeconds: number;
}

const FILE_NAME = 'run.lock';
const BEAT_MS = 15_000;
/** A holder in another PID namespace counts as dead after this: eight beats missed. */
const SILENT_SECONDS = 120;
/** A takeover is itself under a lock, which a crash may leave behind, and so on; nobody crashes so often. */
const DEEPEST_TAKEOVER = 3;

const heldHere = new Set<string>();

/**
 * Takes the right to run in this state directory, or throws `run/busy` at once. What a dead process left is taken over.
 * Two runs at once would not remove too much, because each looks before it acts, but they would get in each other's way.
 */
export async function acquireRunLock({ directory, clock, processes = linux }: RunLockOptions): Promise<RunLock> {
  const path = join(directory, FILE_NAME);
  if (heldHere.has(path)) throw busy('this process', path);
  heldHere.add(path);
  try {
    await mkdir(directory, { recursive: true });
    const holder: Holder = {
      ...(await processes.self()),
      token: randomUUID(),
      beatUptimeSeconds: processes.uptimeSeconds(),
    };
    await take(path, holder, processes, 0);
    const ended = new AbortController();
    const beating = beat(path, holder, clock, processes, ended.signal);
    return {
      problem: undefined,
      release: async () => {
        ended.abort();
        await beating;
        await giveBack(path, holder);
        heldHere.delete(path);
      },
    };
  } catch (error) {
    if (isNodetenderError(error, 'run/busy')) {
      heldHere.delete(path);
      throw error;
    }
    const problem = new NodetenderError(
      'state/unwritable',
      `cannot write the run lock ${path}: ${messageOf(error)}. Runs of other processes are not kept apart from ours.`,
      { cause: error },
    );
    return {
      problem,
      release: async () => {
        heldHere.delete(path);
      },
    };
  }
}

/** Makes `path` ours. A link, because it appears with its whole content or not at all, and never replaces. */
async function take(path: string, holder: Holder, processes: ProcessView, depth: number): Promise<void> {
  const own = `${path}.${holder.token}`;
  try {
    await writeFile(own, JSON.stringify(holder), { mode: 0o644 });
    if (await linked(own, path)) return;
    const other = await read(path);
    if (other === 'gone') {
      // Released this moment.
      if (await linked(own, path)) return;
      throw busy('another process', path);
    }
    if (other !== 'unreadable' && (await isAlive(other, processes))) throw busy(`process ${other.pid}`, path);
    if (depth >= DEEPEST_TAKEOVER) throw busy('a dead process that cannot be cleared', path);
    await takeOver(path, own, other, holder, processes, depth);
  } finally {
    // A file that stays behind holds nothing, its name is used once, and what has gone wrong is told already.
    await unlink(own).catch(() => undefined);
  }
}

/**
 * Replaces a dead holder's file. Only one process at a time may, and only while the file is still that of the dead one:
 * otherwise the second of two that both saw it dead would push out the first.
 */
async function takeOver(
  path: string,
  own: string,
  dead: Holder | 'unreadable',
  holder: Holder,
  processes: ProcessView,
  depth: number,
): Promise<void> {
  const guard = `${path}.takeover`;
  await take(guard, holder, processes, depth + 1);
  try {
    const now = await read(path);
    const isStillDead =
      now === dead || (typeof now === 'object' && typeof dead === 'object' && now.token === dead.token);
    if (!isStillDead) throw busy('another process', path);
    await rename(own, path);
  } finally {
    await giveBack(guard, holder);
  }
}

/** Removes the file if it is still ours: after a long freeze somebody may have taken it over. */
async function giveBack(path: string, holder: Holder): Promise<void> {
  const now = await read(path);
  // One that cannot be removed becomes stale with its process, and the next run takes it over.
  if (typeof now === 'object' && now.token === holder.token) await unlink(path).catch(() => undefined);
}

async function beat(
  path: string,
  holder: Holder,
  clock: Clock,
  processes: ProcessView,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(BEAT_MS, signal);
    if (signal.aborted) return;
    const next = `${path}.${holder.token}`;
    try {
      const now = await read(path);
      if (typeof now !== 'object' || now.token !== holder.token) return;
      await writeFile(next, JSON.stringify({ ...holder, beatUptimeSeconds: processes.uptimeSeconds() }));
      await rename(next, path);
    } catch {
      // The next beat may succeed; others see us as dead only after many missed. A full disk leaves an empty file.
      await unlink(next).catch(() => undefined);
    }
  }
}

async function isAlive(holder: Holder, processes: ProcessView): Promise<boolean> {
  const self = await processes.self();
  if (holder.bootId !== self.bootId) return false;
  if (holder.pidNamespace === self.pidNamespace) {
    return (await processes.startTicksOf(holder.pid)) === holder.startTicks;
  }
  return processes.uptimeSeconds() - holder.beatUptimeSeconds < SILENT_SECONDS;
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Files appear whole, so one that makes no sense was damaged, and nobody holds it. */
async function read(path: string): Promise<Holder | 'gone' | 'unreadable'> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 'gone';
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isHolder(value) ? value : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, bootId, pidNamespace, startTicks, token, beatUptimeSeconds } = value as Record<string, unknown>;
  return (
    typeof pid === 'number' &&
    typeof beatUptimeSeconds === 'number' &&
    [bootId, pidNamespace, startTicks, token].every((text) => typeof text === 'string')
  );
}

function busy(who: string, path: string): NodetenderError {
  return new NodetenderError(
    'run/busy',
    `a run is under way: ${who} holds ${path}. Wait for it to end, or look at its progress in the agent's log.`,
  );
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

const linux: ProcessView = {
  self: async () => ({
    pid: process.pid,
    bootId: await readBootId(),
    pidNamespace: await readlink('/proc/self/ns/pid'),
    startTicks: (await linux.startTicksOf(process.pid)) ?? '',
  }),
  startTicksOf: async (pid) => {
    try {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    } catch {
      // There is no such process any more.
      return undefined;
    }
  },
  uptimeSeconds: () => uptime(),
};
