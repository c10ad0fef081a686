import { readFile, readlink } from 'node:fs/promises';

import { messageOf, NodetenderError } from '../errors.ts';

/** A process as the kernel shows it; tests look at others than PID 1. */
export interface InitProcess {
  readonly pid: number;
  /** Where procfs is mounted. */
  readonly procDirectory: string;
}

export const hostInit: InitProcess = { pid: 1, procDirectory: '/proc' };

/** The PID namespace of the machine itself has this number on every Linux (PROC_PID_INIT_INO in the kernel's headers). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * Throws `host/no-init` unless PID 1 is the init of the host. In a pod without hostPID it is the agent, or a small init of
 * its container: a process of our own mount namespace, unless we run on the machine itself.
 */
export async function requireHostInit({ pid, procDirectory }: InitProcess): Promise<void> {
  if (pid === process.pid) throw noInit('PID 1 is the agent itself');
  const [ours, theirs, pidNamespace] = await Promise.all([
    readlink(`${procDirectory}/self/ns/mnt`),
    readlink(`${procDirectory}/${pid}/ns/mnt`).catch(beyondUs),
    readlink(`${procDirectory}/self/ns/pid`),
  ]).catch((error: unknown) => {
    throw noInit(`PID ${pid} cannot be looked at: ${messageOf(error)}`);
  });
  if (ours === theirs && pidNamespace !== FIRST_PID_NAMESPACE) throw noInit('PID 1 is a process of its own container');
}

/** Whether a process has a handler for a signal, or blocks it in order to read it from a signalfd, as systemd does. */
export async function heeds({ pid, procDirectory }: InitProcess, signalNumber: number): Promise<boolean> {
  const status = await readFile(`${procDirectory}/${pid}/status`, 'utf8');
  const bit = 1n << BigInt(signalNumber - 1);
  return ['SigBlk', 'SigCgt'].some((name) => {
    const mask = new RegExp(`^${name}:\\s*([0-9a-f]{1,32})$`, 'm').exec(status)?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & bit) !== 0n;
  });
}

/** Whose namespaces may not be looked at has more privilege than this container: a process of the host. */
function beyondUs(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM'))
    return undefined;
  throw error;
}

function noInit(found: string): NodetenderError {
  return new NodetenderError(
    'host/no-init',
    `expected PID 1 to be the host's init, but ${found}. Set hostPID: true on the pod, which the reboot methods signal and command need.`,
  );
}
