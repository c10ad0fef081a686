import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../../agent/clock.ts';
import { EmulatedHost } from '../emulators/host/host.ts';
import { Login1Service } from './login1service.ts';
import { SystemBus } from './systembus.ts';

/** Of the kernel's files, what tells which boot this is. */
const kernelFiles = { bootId: '/proc/sys/kernel/random/boot_id', uptime: '/proc/uptime', stat: '/proc/stat' } as const;

/** A machine begins its life here having run for this long. */
const DAY_MS = 86_400_000;

/**
 * A machine for one agent that runs as a process of this one: a system bus with an emulated logind on it, a boot ID of its own in
 * /proc, a folder for its sentinel. A reboot takes the sentinel away, as one in /run; whose processes end with it is for
 * those who subscribe to `machine`.
 */
export class RebootingHost {
  readonly machine: EmulatedHost;
  readonly bus: SystemBus;
  readonly logind: Login1Service;
  readonly #folder: string;

  private constructor(machine: EmulatedHost, bus: SystemBus, logind: Login1Service, folder: string) {
    this.machine = machine;
    this.bus = bus;
    this.logind = logind;
    this.#folder = folder;
  }

  /** Goes down and comes up within a second. */
  static async start(): Promise<RebootingHost> {
    const machine = new EmulatedHost({ clock: systemClock, shutdownMs: 300, bootMs: 300 });
    const bus = await SystemBus.launch();
    try {
      const logind = await Login1Service.join(bus.socketPath, machine);
      const host = new RebootingHost(machine, bus, logind, await mkdtemp(join(tmpdir(), 'nodetender-host-')));
      await mkdir(join(host.#folder, 'run'));
      return host;
    } catch (error) {
      await bus.destroy();
      throw error;
    }
  }

  get sentinelPath(): string {
    return join(this.#folder, 'run', 'reboot-required');
  }

  /** What its agent finds in its environment. */
  get environment(): Record<string, string> {
    return { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.bus.socketPath}` };
  }

  /** A package asks for a reboot. */
  async wantReboot(...packages: string[]): Promise<void> {
    await writeFile(`${this.sentinelPath}.pkgs`, `${packages.join('\n')}\n`);
    await writeFile(this.sentinelPath, '*** System restart required ***\n');
  }

  async withdraw(): Promise<void> {
    await Promise.all(['', '.pkgs'].map((suffix) => rm(`${this.sentinelPath}${suffix}`, { force: true })));
  }

  /** A command line that runs another in this boot of it; it becomes that program, with its process ID. */
  async command(program: readonly string[]): Promise<string[]> {
    const { boots, boot } = this.machine;
    const uptimeMs = boots.length === 1 ? DAY_MS : boot.uptimeMs;
    const bootedAtSeconds = Math.floor((Date.now() - uptimeMs) / 1000);
    const stat = (await readFile(kernelFiles.stat, 'utf8')).replace(/^btime .*$/m, `btime ${bootedAtSeconds}`);
    const folder = await mkdtemp(join(this.#folder, 'boot-'));
    await writeFile(join(folder, 'bootId'), `${boot.bootId}\n`);
    await writeFile(join(folder, 'uptime'), `${(uptimeMs / 1000).toFixed(2)} 0.00\n`);
    await writeFile(join(folder, 'stat'), stat);
    const mounts = Object.entries(kernelFiles).map(([name, path]) => `mount --bind "$0/${name}" ${path}`);
    const script = `${mounts.join(' && ')} && exec "$@"`;
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, folder, ...program];
  }

  async dispose(): Promise<void> {
    await this.logind.leave();
    await this.bus.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
