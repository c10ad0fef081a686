import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import { eventually } from './eventually.ts';

export interface NamespaceOptions {
  /** A network and a host name of its own, too. */
  readonly hostname?: string;
  /** Shell commands run in it before anything else. */
  readonly setup?: string;
}

/**
 * A PID and mount namespace of its own. Its end is the end of every process and mount in it, so a test that fails, or
 * a test runner that is killed, leaves no shim, container or overlay mount behind.
 */
export class Namespace {
  readonly #outer: ChildProcess;
  /** PID 1 of the namespace, as the host numbers it. */
  readonly initPid: number;
  readonly #entered: readonly string[];

  private constructor(outer: ChildProcess, initPid: number, entered: readonly string[]) {
    this.#outer = outer;
    this.initPid = initPid;
    this.#entered = entered;
  }

  static async create({ hostname, setup = 'true' }: NamespaceOptions = {}): Promise<Namespace> {
    // /run is private: shims keep their sockets in /run/containerd/s whatever the configuration says, and a system
    // containerd's are there too. `wait` reaps the shims whose parent has died.
    const init = `set -e; mount -t tmpfs tmpfs /run; ${setup}; set +e; echo ready; while :; do sleep 86400 & wait; done`;
    const machine = hostname === undefined ? [] : ['--net', '--uts'];
    const named = hostname === undefined ? '' : `hostname ${hostname}; `;
    const outer = spawn(
      'setpriv',
      [
        '--pdeathsig',
        'KILL',
        'unshare',
        '--mount',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        ...machine,
        '--propagation',
        'private',
        'sh',
        '-c',
        `${named}${init}`,
      ],
      // unshare complains of its own signal mask when its child is killed, which is how every namespace ends.
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    await Promise.race([
      once(outer.stdout, 'data'),
      once(outer, 'exit').then(() => {
        throw new Error('a PID and mount namespace could not be made: this needs root and util-linux');
      }),
    ]);
    return new Namespace(outer, await onlyChild(outer), ['--mount', '--pid', ...machine]);
  }

  /** Starts a program inside. The pid is the program's own, as the host numbers it. */
  async run(
    program: string,
    args: readonly string[],
    options: { env: NodeJS.ProcessEnv; output: number },
  ): Promise<{ pid: number; exited: Promise<unknown> }> {
    const entered = spawn('nsenter', ['--target', String(this.initPid), ...this.#entered, '--', program, ...args], {
      env: options.env,
      stdio: ['ignore', options.output, options.output],
    });
    const exited = once(entered, 'exit');
    return { pid: await onlyChild(entered), exited };
  }

  /** Ends everything inside at once, as a power cut would. */
  async destroy(): Promise<void> {
    if (this.#outer.exitCode !== null || this.#outer.signalCode !== null) return;
    const exited = once(this.#outer, 'exit');
    process.kill(this.initPid, 'SIGKILL');
    await exited;
  }
}

/** unshare and nsenter fork when they make or enter a PID namespace; what they run is their only child. */
async function onlyChild(parent: ChildProcess): Promise<number> {
  return await eventually(`a child of ${parent.spawnfile}`, () => {
    if (parent.exitCode !== null) throw new Error(`${parent.spawnargs.join(' ')} ended with status ${parent.exitCode}`);
    const children = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children);
  });
}
