import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';

import { machineComponents } from '../components.ts';
import { Daemon } from '../daemon.ts';
import { freePorts } from '../ports.ts';
import { tar, type TarEntry } from '../tar.ts';
import type { GuestDisk } from './disk.ts';
import { network, shellPort } from './guestfiles.ts';

const execute = promisify(execFile);
const SHELL_DEADLINE_MS = 180_000;
const MEMORY_MEBIBYTES = 1536;

export interface MachineOptions {
  /** A folder that exists; its disks go there. */
  readonly folder: string;
  readonly guest: GuestDisk;
  /** Files that it has from its first start on. */
  readonly settings: readonly TarEntry[];
  /** The API server's port on 127.0.0.1, which the guest reaches at the cluster's service address. */
  readonly apiPort: number;
}

/** A virtual machine that boots, reboots and loses power for real. What it has written stays on its disk. */
export class VirtualMachine {
  readonly #qemu: Daemon;
  readonly #folder: string;
  readonly #shellPort: number;

  private constructor(qemu: Daemon, folder: string, port: number) {
    this.#qemu = qemu;
    this.#folder = folder;
    this.#shellPort = port;
  }

  /** Off, with a disk of its own. */
  static async create({ folder, guest, settings, apiPort }: MachineOptions): Promise<VirtualMachine> {
    const disk = join(folder, 'disk.raw');
    await execute('cp', ['--reflink=auto', '--sparse=always', guest.disk, disk]);
    await writeFile(join(folder, 'settings.tar'), tar(settings));
    const [port = 0] = await freePorts(1);
    const { qemu, libraryPath } = machineComponents();
    const daemon = new Daemon({
      name: 'QEMU',
      program: 'env',
      args: [`LD_LIBRARY_PATH=${libraryPath}`, qemu, ...qemuFlags(folder, guest, apiPort, port)],
      log: join(folder, 'qemu.log'),
      // What runs on it tells when it is ready.
      ready: () => Promise.resolve(true),
      readyDeadlineMs: 10_000,
    });
    return new VirtualMachine(daemon, folder, port);
  }

  get isOn(): boolean {
    return this.#qemu.running;
  }

  async powerOn(): Promise<void> {
    await this.#qemu.start();
  }

  /** At once, and without a word to the guest. What its kernel has not written to the disk is lost. */
  async powerCut(): Promise<void> {
    await this.#qemu.kill();
  }

  /** What a script writes, run by root in the guest. Rejects while it cannot be reached. */
  async shell(script: string): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port: this.#shellPort });
    socket.setTimeout(SHELL_DEADLINE_MS, () => socket.destroy(new Error('the guest does not answer')));
    // The whole script is read before any of it runs, so that nothing in it takes the rest for its input.
    socket.end(`{\n${script}\nexit\n} 2>&1 </dev/null\n`);
    return await text(socket);
  }

  /** The end of what the guest said on its console, and QEMU on its output. */
  async logTail(): Promise<string> {
    const console = await readFile(join(this.#folder, 'console.log'), 'utf8').catch(() => '');
    return `${console.split('\n').slice(-40).join('\n')}\n${await this.#qemu.logTail()}`;
  }
}

function qemuFlags(folder: string, guest: GuestDisk, apiPort: number, port: number): string[] {
  const { firmware, socat } = machineComponents();
  const user = [
    `user,id=net,net=${network.cidr},host=${network.gateway},dns=10.96.0.3,restrict=on`,
    `guestfwd=tcp:${network.api}:443-cmd:${socat} STDIO TCP4:127.0.0.1:${apiPort}`,
    `hostfwd=tcp:127.0.0.1:${port}-${network.guest}:${shellPort}`,
  ];
  const flags = [
    ...firmware.map((path) => ['-L', path]),
    ['-accel', 'tcg,thread=multi'],
    ['-cpu', 'qemu64'],
    ['-M', 'q35'],
    ['-smp', '2'],
    ['-m', String(MEMORY_MEBIBYTES)],
    ['-nodefaults', '-no-user-config'],
    ['-display', 'none'],
    ['-kernel', guest.kernel],
    ['-initrd', guest.initialRamDisk],
    ['-append', 'root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off quiet panic=-1'],
    // Unsafe for this machine's own power cuts alone: what the guest has written outlives QEMU.
    ['-drive', `file=${join(folder, 'disk.raw')},format=raw,if=none,id=root,cache=unsafe`],
    ['-device', 'virtio-blk-pci,drive=root'],
    ['-drive', `file=${join(folder, 'settings.tar')},format=raw,if=none,id=settings,read-only=on`],
    ['-device', 'virtio-blk-pci,drive=settings'],
    ['-netdev', user.join(',')],
    ['-device', 'virtio-net-pci,netdev=net,romfile='],
    ['-device', 'virtio-rng-pci'],
    ['-chardev', `file,id=console,path=${join(folder, 'console.log')},append=on`],
    ['-serial', 'chardev:console'],
  ];
  return flags.flat();
}
