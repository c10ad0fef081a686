import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { Boot } from '../../../agent/host/port.ts';
import { makeCgroup, removeCgroups } from '../cgroups.ts';
import { Namespace } from '../namespace.ts';
import { bootFiles, bootHook, containerSpec } from './containerspec.ts';
import { forwarding } from './network.ts';

export interface MachineOptions {
  readonly name: string;
  /** All that is on its disk. */
  readonly folder: string;
  /** The system bus's socket, on which its logind is. */
  readonly busSocket: string;
}

/** Folders of the root whose changes a machine keeps to itself. */
const changed = ['var', 'etc', 'opt'];
/** Overlays are not stacked on these: containerd makes its own, and the kubelet mounts there. */
const bound = ['kubelet', 'containerd'];

/**
 * A machine as far as a kubelet can tell: programs, mounts, network, host name, boot ID and disk of its own. Everything is where
 * distributions have it, and nothing of it is where the real machine has its own.
 */
export class Machine {
  readonly name: string;
  readonly folder: string;
  readonly cgroup: string;
  /** Where containerd finds the specification of containers. */
  readonly baseSpec: string;
  readonly #busSocket: string;
  #namespace: Namespace | undefined;

  constructor({ name, folder, busSocket }: MachineOptions) {
    this.name = name;
    this.folder = folder;
    this.cgroup = `/${basename(dirname(folder))}/${name}`;
    this.baseSpec = join(folder, 'containers.json');
    this.#busSocket = busSocket;
  }

  get isOn(): boolean {
    return this.#namespace !== undefined;
  }

  get namespace(): Namespace {
    if (this.#namespace === undefined) throw new Error(`${this.name} is off`);
    return this.#namespace;
  }

  /** The path by which the tests know a file of it. */
  path(inside: string): string {
    return join(this.folder, inside);
  }

  /** An empty disk. */
  async install(): Promise<void> {
    const folders = [...changed, ...changed.map((name) => `work/${name}`), ...bound, 'boot', 'tmp'];
    for (const each of folders) await mkdir(this.path(each), { recursive: true });
    const hook = this.path('boothook.sh');
    await writeFile(hook, bootHook(this.path('boot')));
    await chmod(hook, 0o755);
    await writeFile(this.baseSpec, containerSpec(hook));
  }

  async powerOn(boot: Boot): Promise<void> {
    // What is in /run ends with a boot.
    await rm(this.path('run'), { recursive: true, force: true });
    await mkdir(this.path('run'));
    const stat = await readFile(bootFiles.stat, 'utf8');
    const bootedAtSeconds = Math.floor(boot.bootedAtMs / 1000);
    await writeFile(this.path('boot/boot_id'), `${boot.bootId}\n`);
    await writeFile(this.path('boot/uptime'), `${(boot.uptimeMs / 1000).toFixed(2)} 0.00\n`);
    await writeFile(this.path('boot/stat'), stat.replace(/^btime .*$/m, `btime ${bootedAtSeconds}`));
    await makeCgroup(this.cgroup);
    this.#namespace = await Namespace.create({ hostname: this.name, setup: this.#setup() });
  }

  /** A power cut: everything that runs on it is gone at once. */
  async powerOff(): Promise<void> {
    const namespace = this.#namespace;
    this.#namespace = undefined;
    await namespace?.destroy();
    await removeCgroups(this.cgroup);
  }

  #setup(): string {
    const overlays = changed.map(
      (name) =>
        `mount -t overlay overlay -o lowerdir=/${name},upperdir=${this.path(name)},workdir=${this.path(`work/${name}`)} /${name}`,
    );
    const binds = bound.map((name) => `mkdir -p /var/lib/${name}; mount --bind ${this.path(name)} /var/lib/${name}`);
    return [
      `exec 2>${this.path('setup.log')}`,
      'mount --make-rshared /',
      `mount --bind ${this.path('run')} /run`,
      ...overlays,
      ...binds,
      `mount --bind ${this.path('boot/boot_id')} ${bootFiles.boot_id}`,
      `mkdir -p /run/dbus; touch /run/dbus/system_bus_socket; mount --bind ${this.#busSocket} /run/dbus/system_bus_socket`,
      forwarding,
    ].join('; ');
  }
}
