import { execFile } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { removeAbandoned } from './abandoned.ts';
import { removeCgroups } from './cgroups.ts';
import { type Components, componentsOf, type Generation } from './components.ts';
import { configuration } from './containerdconfig.ts';
import { Cri } from './cri.ts';
import { eventually } from './eventually.ts';
import { importPause } from './images.ts';
import { Namespace } from './namespace.ts';

const execute = promisify(execFile);

/** A start replays the metadata of all images and containers: seconds with a thousand of them on a busy machine. */
const READY_DEADLINE_MS = 60_000;
const PREFIX = 'nodetender-containerd-';
const STOP_DEADLINE_MS = 30_000;

export interface LaunchOptions {
  /** `memory` spares tests that are not about the disk its waits. */
  readonly storage?: 'disk' | 'memory';
  readonly template?: Template;
}

/** What a containerd of the same generation held when it was saved: a copy is many times faster than another import. */
export interface Template {
  readonly folder: string;
  remove(): Promise<void>;
}

/** A real containerd with folders, socket, processes and mounts of its own; a system's containerd is never touched. */
export class Containerd {
  readonly generation: Generation;
  /** The folder of everything that is its own. */
  readonly folder: string;
  /** As crictl's --runtime-endpoint takes it. */
  readonly endpoint: string;
  readonly cri: Cri;
  /** Where its pods' cgroups go, so that they can be removed with it. */
  readonly cgroupParent: string;
  readonly components: Components;
  readonly #namespace: Namespace;
  readonly #socket: string;
  #daemon: { readonly pid: number; readonly exited: Promise<unknown> } | undefined;

  private constructor(generation: Generation, folder: string, namespace: Namespace) {
    this.generation = generation;
    this.folder = folder;
    this.components = componentsOf(generation);
    this.#namespace = namespace;
    this.#socket = join(folder, 'containerd.sock');
    this.endpoint = `unix://${this.#socket}`;
    this.cgroupParent = `/${folder.split('/').at(-1)}`;
    this.cri = new Cri(this.endpoint);
  }

  /** Starts one that holds nothing but the pause image, or what `template` holds. */
  static async launch(generation: Generation, options: LaunchOptions = {}): Promise<Containerd> {
    const parent = options.storage === 'memory' ? '/dev/shm' : tmpdir();
    await removeAbandoned(parent, PREFIX);
    const folder = await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
    const containerd = new Containerd(generation, folder, await Namespace.create());
    try {
      await mkdir(join(folder, 'tmp'));
      await mkdir(join(folder, 'cni'));
      await writeFile(join(folder, 'config.toml'), configuration(generation, folder));
      if (options.template !== undefined) await copy(options.template.folder, join(folder, 'root'));
      await containerd.start();
      if (options.template === undefined) await importPause(containerd);
      return containerd;
    } catch (error) {
      await containerd.destroy();
      throw error;
    }
  }

  /** The daemon's process ID. Shims and containers are other processes. */
  get pid(): number {
    if (this.#daemon === undefined) throw new Error(`containerd ${this.generation} is not running`);
    return this.#daemon.pid;
  }

  /** Starts the daemon, after `launch` only where it was stopped or killed. Resolves when it answers CRI calls. */
  async start(): Promise<void> {
    if (this.#daemon !== undefined) throw new Error(`containerd ${this.generation} is already running`);
    const log = openSync(join(this.folder, 'containerd.log'), 'a');
    try {
      this.#daemon = await this.#namespace.run('containerd', ['--config', join(this.folder, 'config.toml')], {
        env: { PATH: this.components.path, TMPDIR: join(this.folder, 'tmp') },
        output: log,
      });
    } finally {
      closeSync(log);
    }
    let ended = false;
    void this.#daemon.exited.then(() => (ended = true));
    await eventually(
      `containerd ${this.generation} answers`,
      async () => {
        if (ended) return 'ended';
        return await this.cri.version();
      },
      READY_DEADLINE_MS,
    );
    if (ended) throw new Error(`containerd ${this.generation} ended at once:\n${await this.logTail()}`);
  }

  /** Ends the daemon gracefully. Containers go on, as on a node. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Ends the daemon as a crash would. Containers go on. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stops the daemon, which must run no pod, and keeps what it holds. */
  async saveAsTemplate(): Promise<Template> {
    await this.stop();
    const folder = `${this.folder}-template`;
    await copy(join(this.folder, 'root'), folder);
    return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
  }

  /** Standard output of `ctr -n k8s.io …`. */
  async ctr(...args: string[]): Promise<string> {
    const { stdout } = await execute('ctr', ['--address', this.#socket, '--namespace', 'k8s.io', ...args], {
      env: { PATH: this.components.path, TMPDIR: join(this.folder, 'tmp') },
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  }

  /** The last warnings and errors of the daemon's log, to tell why something failed. */
  async logTail(): Promise<string> {
    const text = await readFile(join(this.folder, 'containerd.log'), 'utf8');
    const lines = text.split('\n').filter((line) => !line.includes('level=info'));
    return lines.slice(-20).join('\n');
  }

  /** Ends everything and removes all of it. Works in any state, and more than once. */
  async destroy(): Promise<void> {
    this.cri.close();
    await this.#namespace.destroy();
    this.#daemon = undefined;
    await removeCgroups(this.cgroupParent);
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    process.kill(daemon.pid, signal);
    let ended = false;
    void daemon.exited.then(() => (ended = true));
    await eventually(`containerd ${this.generation} ends`, () => ended, STOP_DEADLINE_MS);
    this.#daemon = undefined;
  }
}

/** With the extended attributes that overlayfs keeps its own state in. */
async function copy(from: string, to: string): Promise<void> {
  await execute('cp', ['--archive', '--reflink=auto', from, to]);
}
