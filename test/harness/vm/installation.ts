import { agentPort } from '../agentport.ts';
import type { Json } from '../api.ts';
import { eventually } from '../eventually.ts';
import { chart, helm, valuesArgument } from '../helm.ts';
import { RollWitness } from '../rollwitness.ts';
import { MachineCluster } from './cluster.ts';
import { workloadImage } from './disk.ts';
import { nodeName } from './guestfiles.ts';

export const namespace = 'nodetender';
/** Each step of a reboot is slower on an emulated processor: the drain alone takes a quarter of a minute. */
const STEP_DEADLINE_MS = 900_000;

/** No wait that is not the machine's own, but for a soak that is long enough to be interrupted. */
const reboot = {
  enabled: true,
  sentinel: { settle: '0s', checkEvery: '10s' },
  minInterval: '0s',
  gates: { checkEvery: '10s' },
  health: { soak: '20s' },
  backoff: { first: '5s', longest: '5s' },
};

/** The chart installed by helm on a machine that has booted, with a workload of two pods, and a witness of what happens. */
export class Installation {
  readonly cluster: MachineCluster;
  readonly witness: RollWitness;

  private constructor(cluster: MachineCluster, witness: RollWitness) {
    this.cluster = cluster;
    this.witness = witness;
  }

  static async create(): Promise<Installation> {
    const cluster = await MachineCluster.launch();
    try {
      await cluster.machine.powerOn();
      await cluster.untilReady();
      const { clients } = cluster.plane;
      const values = {
        image: { repository: 'localhost/nodetender', tag: 'test', pullPolicy: 'Never' },
        config: { reboot },
      };
      const place = ['--namespace', namespace, '--create-namespace'];
      await helm(['install', 'nodetender', chart, ...place, ...valuesArgument(values)], { clients });
      const port = await agentPort(clients, 'witness');
      const witness = new RollWitness({ port, namespace, most: 1, keptCordoned: [] });
      const installation = new Installation(cluster, witness);
      await witness.start();
      await installation.#addWorkload();
      await installation.untilPodsReady();
      return installation;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  /** What the host's package manager does after an update of the kernel. It is gone with the boot. */
  async touchSentinel(): Promise<void> {
    await this.cluster.machine.shell('touch /run/reboot-required');
  }

  /** The states of the machine's node one after the other, after the first `before` that were seen. */
  states(before = 0): string[] {
    return this.witness.seen
      .filter((one) => one.startsWith(`${nodeName} `))
      .map((one) => one.slice(nodeName.length + 1))
      .slice(before);
  }

  async untilState(state: string, before = 0): Promise<void> {
    await this.#eventually(`the node is ${state}`, () => Promise.resolve(this.states(before).includes(state)));
  }

  /** The agent's and the workload's. */
  async untilPodsReady(): Promise<void> {
    await this.#eventually('agent and workload run', async () => {
      const pods = [...(await this.pods(namespace)), ...(await this.pods('default'))];
      return pods.length === 3 && pods.every(({ ready }) => ready);
    });
  }

  async pods(of: string): Promise<readonly { readonly name: string; readonly ready: boolean; readonly spec: Json }[]> {
    const { items } = (await this.cluster.api.get(`/api/v1/namespaces/${of}/pods`)) as unknown as { items: Pod[] };
    return items.map(({ metadata, spec, status }) => ({
      name: metadata.name,
      spec,
      ready: status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    }));
  }

  async node(): Promise<Node> {
    return (await this.cluster.api.get(`/api/v1/nodes/${nodeName}`)) as unknown as Node;
  }

  /** Reasons of the Events about the machine's node, oldest first. */
  async reasons(): Promise<string[]> {
    const path = `/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=regarding.name=${nodeName}`;
    const { items } = (await this.cluster.api.get(path)) as unknown as { items: Event[] };
    return items
      .toSorted((one, other) => (one.eventTime ?? '').localeCompare(other.eventTime ?? ''))
      .map(({ reason }) => reason);
  }

  async dispose(): Promise<void> {
    await this.witness.stop();
    await this.cluster.dispose();
  }

  async #addWorkload(): Promise<void> {
    const labels = { app: 'shop' };
    const container = { name: 'app', image: workloadImage, imagePullPolicy: 'Never' };
    await this.cluster.api.create('/apis/apps/v1/namespaces/default/deployments', {
      metadata: { name: 'shop' },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { terminationGracePeriodSeconds: 5, automountServiceAccountToken: false, containers: [container] },
        },
      },
    });
  }

  /** What the guest says of its pods; what its console said where it does not answer. */
  async #guestTail(): Promise<string> {
    const { machine } = this.cluster;
    const script = `
      tail -n 20 /var/log/pods/${namespace}_*/agent/*.log
      journalctl --no-pager --boot --lines 40 --unit kubelet --unit containerd --unit systemd-logind`;
    return await machine.shell(script).catch(async () => await machine.logTail());
  }

  async #eventually(what: string, probe: () => Promise<boolean>): Promise<void> {
    try {
      await eventually(what, probe, STEP_DEADLINE_MS);
    } catch (error) {
      const said = [this.witness.seen.join(', '), (await this.reasons()).join(', '), await this.#guestTail()];
      throw new Error(`${what}: not so. Seen:\n${said.join('\n')}`, { cause: error });
    }
  }
}

interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: Json;
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

interface Node {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly { readonly key: string }[] };
  readonly status: {
    readonly nodeInfo: { readonly bootID: string };
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

interface Event {
  readonly reason: string;
  readonly eventTime?: string | null;
}
