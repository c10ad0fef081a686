import { glob, readFile } from 'node:fs/promises';

import { type AgentImage, agentImage } from '../harness/agentimage.ts';
import { agentPort } from '../harness/agentport.ts';
import type { AuditEvent } from '../harness/audit.ts';
import { eventually } from '../harness/eventually.ts';
import { chart, helm, valuesArgument } from '../harness/helm.ts';
import { RollWitness } from '../harness/rollwitness.ts';
import { TwoNodes } from '../harness/twonodes/cluster.ts';
import { InstalledNode } from './installednode.ts';

export const namespace = 'nodetender';
const account = `system:serviceaccount:${namespace}:nodetender`;
const DEADLINE_MS = 120_000;

/** No wait longer than seconds; what has a lower limit stays above it. */
const soon = {
  images: { minUnused: '0s', pace: 'fast' },
  cluster: { settle: '0s' },
  reboot: {
    enabled: true,
    minInterval: '0s',
    sentinel: { settle: '0s', checkEvery: '10s' },
    gates: { checkEvery: '10s' },
    health: { soak: '5s' },
  },
};

/** When images are cleaned without being asked. */
interface Schedule {
  readonly every: string;
}

/** The chart, installed by helm with the image on a real cluster of two nodes. */
export class Installation {
  readonly cluster: TwoNodes;
  readonly nodes: readonly InstalledNode[];
  /** From nothing to each step, in milliseconds. */
  readonly took: Readonly<Record<string, number>>;
  #image: AgentImage;
  readonly #witnesses: RollWitness[] = [];

  private constructor(cluster: TwoNodes, took: Readonly<Record<string, number>>, image: AgentImage) {
    this.#image = image;
    this.cluster = cluster;
    this.took = took;
    this.nodes = cluster.nodes.map((node) => new InstalledNode(cluster.plane.clients, node));
  }

  /** Its agents run and are ready. `prepare` is done before they are installed. */
  static async launch(schedule: Schedule, prepare: (cluster: TwoNodes) => Promise<void>): Promise<Installation> {
    const image = await agentImage();
    const startedMs = performance.now();
    const cluster = await TwoNodes.launch();
    try {
      const took: Record<string, number> = { ...cluster.took };
      const reached = (step: string): void => {
        took[step] = Math.round(performance.now() - startedMs);
      };
      await Promise.all(cluster.nodes.map((node) => node.importArchive(image.archive)));
      reached('image on both nodes');
      await prepare(cluster);
      reached('images to clean');
      const installation = new Installation(cluster, took, image);
      await installation.#helm('install', schedule);
      reached('chart installed');
      await installation.#agents('Running');
      reached('both agents Running');
      await installation.untilReady();
      reached('both agents Ready');
      return installation;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** `helm upgrade` with another schedule. */
  async upgrade(schedule: Schedule): Promise<void> {
    await this.#helm('upgrade', schedule);
  }

  /** The nodes have the image of another version of the agent: that of the next upgrade. */
  async bringVersion(version: string): Promise<void> {
    this.#image = await agentImage({ version, reference: `localhost/nodetender:${version}` });
    await Promise.all(this.cluster.nodes.map((node) => node.importArchive(this.#image.archive)));
  }

  async uninstall(): Promise<void> {
    await helm(['uninstall', 'nodetender', '--namespace', namespace, '--wait'], {
      clients: this.cluster.plane.clients,
    });
  }

  /** Each node has an agent that says it is ready, of the newest version of the DaemonSet. */
  async untilReady(): Promise<void> {
    await eventually(
      'all agents are ready',
      async () => {
        const { status, metadata } = (await this.#api.get(
          `/apis/apps/v1/namespaces/${namespace}/daemonsets/nodetender`,
        )) as unknown as DaemonSet;
        const { numberReady, updatedNumberScheduled, observedGeneration } = status;
        return observedGeneration === metadata.generation && numberReady === 2 && updatedNumberScheduled === 2;
      },
      DEADLINE_MS,
    );
  }

  /** The agents' pods. */
  async pods(): Promise<readonly Pod[]> {
    const { items } = await this.#api.get(
      `/api/v1/namespaces/${namespace}/pods?labelSelector=app.kubernetes.io/name%3Dnodetender`,
    );
    return items as readonly Pod[];
  }

  /** What the agent of a node has written since it was installed there, as the kubelet keeps it. */
  async log({ real }: InstalledNode): Promise<string> {
    const files = await Array.fromAsync(glob(real.machine.path(`var/log/pods/${namespace}_*/agent/*.log`)));
    return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('');
  }

  /** A Node as it stands there. */
  async node(name: string): Promise<NodeObject> {
    return (await this.#api.get(`/api/v1/nodes/${name}`)) as unknown as NodeObject;
  }

  /** Who watches all nodes and slots from now on. */
  async witness(): Promise<RollWitness> {
    const port = await agentPort(this.cluster.plane.clients, 'witness');
    const witness = new RollWitness({ port, namespace, most: 1, keptCordoned: [] });
    this.#witnesses.push(witness);
    await witness.start();
    return witness;
  }

  /** What the agents have asked the API server for, as its audit log has it. */
  async requests(): Promise<AuditEvent[]> {
    return (await this.cluster.plane.auditEvents()).filter(({ user }) => user === account);
  }

  async dispose(): Promise<void> {
    for (const witness of this.#witnesses) await witness.stop();
    await this.cluster.dispose();
  }

  get #api(): TwoNodes['plane']['api'] {
    return this.cluster.plane.api;
  }

  async #agents(phase: string): Promise<void> {
    await eventually(
      `both agents are ${phase}`,
      async () => {
        const pods = await this.pods();
        return pods.length === 2 && pods.every(({ status }) => status.phase === phase);
      },
      DEADLINE_MS,
    );
  }

  async #helm(command: 'install' | 'upgrade', schedule: Schedule): Promise<void> {
    const [repository = '', tag = ''] = this.#image.reference.split(':');
    const config = { ...soon, images: { ...soon.images, schedule: { ...schedule, jitter: '0s' } } };
    const given = valuesArgument({ image: { repository, tag }, config });
    const { clients } = this.cluster.plane;
    await helm([command, 'nodetender', chart, '--namespace', namespace, ...given], { clients });
  }
}

interface DaemonSet {
  readonly metadata: { readonly generation: number };
  readonly status: {
    readonly numberReady: number;
    readonly updatedNumberScheduled?: number;
    readonly observedGeneration?: number;
  };
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: { readonly nodeName: string; readonly containers: readonly { readonly image: string }[] };
  readonly status: { readonly phase: string };
}

interface NodeObject {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly { readonly key: string }[] };
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
    readonly nodeInfo: { readonly bootID: string };
  };
}
