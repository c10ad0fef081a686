import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { removeAbandoned } from '../abandoned.ts';
import type { Api } from '../api.ts';
import { kubernetesComponents } from '../components.ts';
import { Daemon } from '../daemon.ts';
import { eventually } from '../eventually.ts';
import { kubeconfigText } from '../kubeconfig.ts';
import { ControlPlane } from '../kubernetes.ts';
import { guestDisk } from './disk.ts';
import { network, nodeName } from './guestfiles.ts';
import { VirtualMachine } from './machine.ts';

const PREFIX = 'nodetender-machine-';
/** A minute on a computer with nothing else to do; many times that on one that runs every other suite beside it. */
const BOOT_DEADLINE_MS = 900_000;

/** A real control plane, and a virtual machine whose kubelet is its node. */
export class MachineCluster {
  readonly plane: ControlPlane;
  readonly machine: VirtualMachine;
  readonly #folder: string;
  readonly #scheduler: Daemon;

  private constructor(plane: ControlPlane, machine: VirtualMachine, folder: string, scheduler: Daemon) {
    this.plane = plane;
    this.machine = machine;
    this.#folder = folder;
    this.#scheduler = scheduler;
  }

  /** The machine is off. */
  static async launch(): Promise<MachineCluster> {
    const guest = await guestDisk();
    await removeAbandoned(tmpdir(), PREFIX);
    const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
    let plane;
    try {
      plane = await ControlPlane.launch({ controllerManager: true, kubelets: true });
      const scheduler = await startScheduler(plane);
      const settings = kubeletFiles(plane);
      const apiPort = Number(new URL(plane.clients.server).port);
      const machine = await VirtualMachine.create({ folder, guest, settings, apiPort });
      return new MachineCluster(plane, machine, folder, scheduler);
    } catch (error) {
      await plane?.destroy();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get api(): Api {
    return this.plane.api;
  }

  async bootId(): Promise<string> {
    const { status } = (await this.api.get(`/api/v1/nodes/${nodeName}`)) as unknown as NodeStatus;
    return status.nodeInfo.bootID;
  }

  /** Its boot ID, once the node is Ready with another than `before`. */
  async untilReady(before?: string): Promise<string> {
    return await this.#eventually('the node is Ready after a boot', async () => {
      const { status } = (await this.api.get(`/api/v1/nodes/${nodeName}`)) as unknown as NodeStatus;
      const ready = status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
      return ready && status.nodeInfo.bootID !== before && status.nodeInfo.bootID;
    });
  }

  async dispose(): Promise<void> {
    await this.machine.powerCut();
    await this.#scheduler.kill();
    await this.plane.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #eventually<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
    try {
      return await eventually(what, probe, BOOT_DEADLINE_MS);
    } catch (error) {
      throw new Error(`${what}: not so. The machine says:\n${await this.machine.logTail()}`, { cause: error });
    }
  }
}

interface NodeStatus {
  readonly status: {
    readonly nodeInfo: { readonly bootID: string };
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

async function startScheduler(plane: ControlPlane): Promise<Daemon> {
  const kubeconfig = join(plane.folder, 'scheduler.kubeconfig');
  await writeFile(kubeconfig, plane.kubeconfigWithin({ commonName: 'system:kube-scheduler' }), { mode: 0o600 });
  const scheduler = new Daemon({
    name: 'kube-scheduler',
    program: kubernetesComponents().scheduler,
    args: [`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--secure-port=0'],
    log: join(plane.folder, 'kube-scheduler.log'),
    // It serves nobody: a pod that waits for it waits.
    ready: () => Promise.resolve(true),
    readyDeadlineMs: 10_000,
  });
  await scheduler.start();
  return scheduler;
}

function kubeletFiles({ clients }: ControlPlane): { path: string; content: Buffer; mode: number }[] {
  const user = clients.user({ commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] });
  const certificateAuthority = clients.authority.certificate;
  const kubeconfig = kubeconfigText({ server: `https://${network.api}:443`, certificateAuthority, user });
  return Object.entries({ 'ca.crt': certificateAuthority, 'kubelet.kubeconfig': kubeconfig }).map(
    ([name, content]) => ({
      path: `etc/kubernetes/${name}`,
      content: Buffer.from(content),
      mode: 0o600,
    }),
  );
}
