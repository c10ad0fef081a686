import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import { eventually } from './eventually.ts';

/**
 * A PID and mount namespace of its own. Its end is the end of every process and mount in it, so a test that fails, or
 * a test runner that is killed, leaves no shim, container or overlay mount behind.
 */
export class Namespace {
  readonly #outer: ChildProcess;
  /** PID 1 of the namespace, as the host numbers it. */
  readonly #initPid: number;

  private constructor(outer: ChildProcess, initPid: number) {
    this.#outer = outer;
    this.#initPid = initPid;
  }

  static async create(): Promise<Namespace> {
    // /run is private: shims keep their sockets in /run/containerd/s whatever the configuration says, and a system
    // containerd's are there too. `wait` reaps the shims whose parent has died.
    const init = 'mount -t tmpfs tmpfs /run && echo ready && while :; do sleep 86400 & wait; done';
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
        '--propagation',
        'private',
        'sh',
        '-c',
        init,
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
    return new Namespace(outer, await onlyChild(outer));
  }

  /** Starts a program inside. The pid is the program's own, as the host numbers it. */
  async run(
    program: string,
    args: readonly string[],
    options: { env: NodeJS.ProcessEnv; output: number },
  ): Promise<{ pid: number; exited: Promise<unknown> }> {
    const entered = spawn('nsenter', ['--target', String(this.#initPid), '--mount', '--pid', '--', program, ...args], {
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
    process.kill(this.#initPid, 'SIGKILL');
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
