import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { removeAbandoned } from '../abandoned.ts';
import { removeCgroups } from '../cgroups.ts';
import { generations, kubernetesComponents } from '../components.ts';
import { Daemon } from '../daemon.ts';
import { eventually } from '../eventually.ts';
import { ControlPlane } from '../kubernetes.ts';
import { apiAddress } from './addresses.ts';
import { Door } from './door.ts';
import { Network } from './network.ts';
import { RealNode } from './node.ts';

const PREFIX = 'nodetender-twonodes-';
const READY_DEADLINE_MS = 120_000;

/** A whole real Kubernetes: control plane, scheduler, and two nodes with a kubelet and a generation of containerd each. */
export class TwoNodes {
  readonly folder: string;
  readonly plane: ControlPlane;
  readonly nodes: readonly RealNode[];
  /** From nothing to each step, in milliseconds. */
  readonly took: Readonly<Record<string, number>>;
  readonly #parts: Parts;

  private constructor(folder: string, parts: Parts, plane: ControlPlane, took: Readonly<Record<string, number>>) {
    this.folder = folder;
    this.#parts = parts;
    this.plane = plane;
    this.nodes = parts.nodes;
    this.took = took;
  }

  /** Both nodes are Ready. */
  static async launch(): Promise<TwoNodes> {
    const startedMs = performance.now();
    const took: Record<string, number> = {};
    const reached = (step: string): void => {
      took[step] = Math.round(performance.now() - startedMs);
    };
    await removeAbandoned(tmpdir(), PREFIX);
    const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
    const parts: Parts = { folder, nodes: [] };
    try {
      const network = (parts.network = await Network.create());
      reached('network');
      const door = (parts.door = await Door.open(network.enter, { host: apiAddress, port: 443 }));
      const [plane] = await Promise.all([
        startPlane(parts, network, door).then((it) => (reached('control plane'), it)),
        ...generations.map(async (generation, index, all) => {
          const name = `node-${'ab'[index]}`;
          const numbers = all.map((_, other) => other + 1);
          await mkdir(join(folder, name));
          const options = { name, folder: join(folder, name), number: index + 1, numbers, generation, network };
          parts.nodes[index] = await RealNode.start(options);
          reached(`${name} with containerd ${generation}`);
        }),
      ]);
      for (const node of parts.nodes) {
        const subject = { commonName: `system:node:${node.name}`, organizations: ['system:nodes'] };
        const certificateAuthority = plane.clients.authority.certificate;
        await node.join({ kubeconfig: plane.kubeconfigWithin(subject), certificateAuthority });
      }
      const cluster = new TwoNodes(folder, parts, plane, took);
      await Promise.all(cluster.nodes.map(({ name }) => cluster.untilReady(name)));
      reached('both nodes Ready');
      return cluster;
    } catch (error) {
      await disposeOf(parts);
      throw error;
    }
  }

  async untilReady(name: string): Promise<void> {
    await eventually(
      `${name} is Ready`,
      async () => {
        const { status } = (await this.plane.api.get(`/api/v1/nodes/${name}`)) as unknown as NodeStatus;
        return status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
      },
      READY_DEADLINE_MS,
    );
  }

  async dispose(): Promise<void> {
    await disposeOf(this.#parts);
  }
}

interface Parts {
  readonly folder: string;
  readonly nodes: RealNode[];
  network?: Network;
  door?: Door;
  plane?: ControlPlane;
  scheduler?: Daemon;
}

async function startPlane(parts: Parts, network: Network, door: Door): Promise<ControlPlane> {
  const plane = await ControlPlane.launch({
    controllerManager: true,
    network: { enter: network.enter, address: apiAddress, door: door.port },
  });
  parts.plane = plane;
  const kubeconfig = join(plane.folder, 'scheduler.kubeconfig');
  await writeFile(kubeconfig, plane.kubeconfigWithin({ commonName: 'system:kube-scheduler' }), { mode: 0o600 });
  const [program = '', ...enter] = network.enter;
  parts.scheduler = new Daemon({
    name: 'kube-scheduler',
    program,
    args: [
      ...enter,
      kubernetesComponents().scheduler,
      `--kubeconfig=${kubeconfig}`,
      '--leader-elect=false',
      '--secure-port=0',
    ],
    log: join(plane.folder, 'kube-scheduler.log'),
    // It serves nobody: a pod that waits for it waits.
    ready: () => Promise.resolve(true),
    readyDeadlineMs: READY_DEADLINE_MS,
  });
  await parts.scheduler.start();
  return plane;
}

/** Whatever there is of it. */
async function disposeOf({ folder, nodes, network, door, plane, scheduler }: Parts): Promise<void> {
  await Promise.all(nodes.map((node) => node.dispose()));
  await scheduler?.kill();
  await plane?.destroy();
  await door?.close();
  await network?.destroy();
  await removeCgroups(`/${folder.split('/').at(-1)}`);
  await rm(folder, { recursive: true, force: true });
}

interface NodeStatus {
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}
