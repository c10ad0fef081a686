import { execFile } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { systemClock } from '../../../agent/clock.ts';
import { EmulatedHost } from '../../emulators/host/host.ts';
import {
  type Components,
  componentsOf,
  type Generation,
  kubernetesComponents,
  networkComponents,
} from '../components.ts';
import { Cri } from '../cri.ts';
import { eventually } from '../eventually.ts';
import { asPulled, ImageBatch, type ImageTarget, importPause } from '../images.ts';
import { Login1Service } from '../login1service.ts';
import { SystemBus } from '../systembus.ts';
import { addressesOf } from './addresses.ts';
import { containerdConfiguration } from './containerdconfig.ts';
import { kubeletConfiguration } from './kubeletconfig.ts';
import { Machine } from './machine.ts';
import type { Network } from './network.ts';

const execute = promisify(execFile);
const READY_DEADLINE_MS = 60_000;
/** The machine has been up for this long when it is first looked at. */
const DAY_MS = 86_400_000;

export interface RealNodeOptions {
  readonly name: string;
  readonly folder: string;
  /** Among all nodes; from 1. */
  readonly number: number;
  readonly numbers: readonly number[];
  readonly generation: Generation;
  readonly network: Network;
}

/** What a kubelet is told to join a cluster. */
export interface Membership {
  readonly kubeconfig: string;
  readonly certificateAuthority: string;
}

/**
 * A real kubelet with a real containerd on a machine that can be rebooted by its logind, which is emulated: the machine goes
 * down with all that runs on it, and comes up again with another boot ID.
 */
export class RealNode implements ImageTarget {
  readonly name: string;
  readonly generation: Generation;
  readonly folder: string;
  readonly components: Components;
  readonly cri: Cri;
  readonly host: EmulatedHost;
  readonly machine: Machine;
  readonly #options: RealNodeOptions;
  readonly #bus: SystemBus;
  readonly #logind: Login1Service;
  #hasJoined = false;
  /** What comes of a reboot, one step after the other. */
  #following: Promise<unknown> = Promise.resolve();
  #isOver = false;

  private constructor(options: RealNodeOptions, bus: SystemBus, host: EmulatedHost, logind: Login1Service) {
    this.name = options.name;
    this.generation = options.generation;
    this.folder = options.folder;
    this.components = componentsOf(options.generation);
    this.host = host;
    this.machine = new Machine({ name: options.name, folder: options.folder, busSocket: bus.socketPath });
    this.cri = new Cri(`unix://${this.#socket}`);
    this.#options = options;
    this.#bus = bus;
    this.#logind = logind;
    host.subscribe((state) => this.#follow(state));
  }

  /** Its machine runs, with a containerd that holds the pause image; it is of no cluster yet. */
  static async start(options: RealNodeOptions): Promise<RealNode> {
    const bus = await SystemBus.launch();
    const host = new EmulatedHost({ clock: systemClock, shutdownMs: 300, bootMs: 1_000 });
    const node = new RealNode(options, bus, host, await Login1Service.join(bus.socketPath, host));
    try {
      await node.#install();
      await node.#powerOn();
      await importPause(node);
      return node;
    } catch (error) {
      await node.dispose();
      throw error;
    }
  }

  get #socket(): string {
    return join(this.folder, 'run/containerd/containerd.sock');
  }

  /** Its kubelet starts now, and whenever the machine does. */
  async join({ kubeconfig, certificateAuthority }: Membership): Promise<void> {
    const folder = join(this.folder, 'etc/kubernetes');
    await mkdir(folder, { recursive: true });
    const clientCaFile = '/etc/kubernetes/ca.crt';
    await writeFile(join(folder, 'kubelet.conf'), kubeconfig, { mode: 0o600 });
    await writeFile(join(folder, 'ca.crt'), certificateAuthority);
    const configuration = kubeletConfiguration({ clientCaFile, cgroupRoot: this.machine.cgroup });
    await writeFile(join(folder, 'kubelet.yaml'), configuration);
    this.#hasJoined = true;
    await this.#startKubelet();
  }

  /** Images as the kubelet pulls them, each of its own content. */
  async importImages(...tags: readonly string[]): Promise<void> {
    const batch = new ImageBatch(this);
    for (const tag of tags) batch.add({ names: asPulled(tag) });
    await batch.import();
  }

  /** Images of an archive in OCI's layout, by the names that it gives them. */
  async importArchive(path: string): Promise<void> {
    await this.ctr('images', 'import', ...(this.generation === '1.6' ? [] : ['--local']), path);
  }

  /** Tags of the images that containerd holds, sorted. */
  async imageTags(): Promise<string[]> {
    return (await this.cri.listImages()).flatMap(({ repo_tags }) => repo_tags).toSorted();
  }

  /** Standard output of `ctr -n k8s.io …`. */
  async ctr(...args: string[]): Promise<string> {
    const { stdout } = await execute('ctr', ['--address', this.#socket, '--namespace', 'k8s.io', ...args], {
      env: { PATH: this.components.path, TMPDIR: join(this.folder, 'tmp') },
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  }

  /** A package of its distribution asks for a reboot. */
  async wantReboot(): Promise<void> {
    await writeFile(this.machine.path('run/reboot-required'), '*** System restart required ***\n');
  }

  /** How often it has rebooted. */
  get reboots(): number {
    return this.host.boots.length - 1;
  }

  /** The end of a log, to tell why something failed. */
  async logTail(program: 'containerd' | 'kubelet'): Promise<string> {
    const text = await readFile(join(this.folder, `${program}.log`), 'utf8').catch(() => '');
    return text.split('\n').slice(-40).join('\n');
  }

  async dispose(): Promise<void> {
    this.#isOver = true;
    await this.#following;
    this.cri.close();
    await this.machine.powerOff();
    await this.#logind.leave();
    await this.#bus.destroy();
  }

  async #install(): Promise<void> {
    await this.machine.install();
    const { cni } = networkComponents();
    const network = this.machine.path('etc/cni/net.d');
    await mkdir(network, { recursive: true });
    await writeFile(join(network, '10-bridge.conflist'), bridgeConfiguration(addressesOf(this.#options.number).pods));
    const configuration = containerdConfiguration(this.generation, { cni, baseSpec: this.machine.baseSpec });
    await mkdir(this.machine.path('etc/containerd'), { recursive: true });
    await writeFile(this.machine.path('etc/containerd/config.toml'), configuration);
  }

  async #powerOn(): Promise<void> {
    const { network, number, numbers } = this.#options;
    const { boot, boots } = this.host;
    const uptimeMs = boots.length === 1 ? DAY_MS : boot.uptimeMs;
    await this.machine.powerOn({ ...boot, uptimeMs, bootedAtMs: Date.now() - uptimeMs });
    await network.attach(this.machine.namespace, number, numbers);
    await this.#run('containerd', ['--config', '/etc/containerd/config.toml'], this.components.path);
    await eventually('containerd answers', () => this.cri.version(), READY_DEADLINE_MS);
    if (this.#hasJoined) await this.#startKubelet();
  }

  async #startKubelet(): Promise<void> {
    const { node } = addressesOf(this.#options.number);
    const args = [
      '--config=/etc/kubernetes/kubelet.yaml',
      '--kubeconfig=/etc/kubernetes/kubelet.conf',
      `--hostname-override=${this.name}`,
      `--node-ip=${node}`,
    ];
    await this.#run('kubelet', args, '/usr/sbin:/usr/bin:/sbin:/bin', kubernetesComponents().kubelet);
  }

  async #run(name: string, args: readonly string[], path: string, program = name): Promise<void> {
    const output = openSync(join(this.folder, `${name}.log`), 'a');
    try {
      await this.machine.namespace.run(program, args, { env: { PATH: path }, output });
    } finally {
      closeSync(output);
    }
  }

  #follow(state: 'down' | 'up'): void {
    const before = this.#following;
    this.#following = (async () => {
      await before;
      if (this.#isOver) return;
      await (state === 'down' ? this.machine.powerOff() : this.#powerOn());
    })();
  }
}

/** Pods of all nodes reach one another by the nodes' routes. */
function bridgeConfiguration(subnet: string): string {
  const ipam = { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] };
  const plugins = [{ type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, ipam }];
  return JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins });
}
