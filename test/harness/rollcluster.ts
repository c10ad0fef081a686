import { installAdmissionPolicies, isTryOfPolicies } from './admissionpolicy.ts';
import { agentPort } from './agentport.ts';
import type { Json } from './api.ts';
import type { AuditEvent } from './audit.ts';
import { FaultProxy } from './faultproxy.ts';
import { installEraserObjects } from './imagelistagents.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { ControlPlane } from './kubernetes.ts';
import { grant } from './permissions.ts';
import { RebootingNode } from './rebootingnode.ts';
import { RollWitness } from './rollwitness.ts';
import { StandInNodes } from './standinnodes.ts';
import { addWorkload } from './workload.ts';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const namespace = 'nodetender';
const account = { kind: 'ServiceAccount', name: 'nodetender' };
const user = `system:serviceaccount:${namespace}:${account.name}`;

/**
 * Nobody is there to report the nodes as alive, and nobody to make the agents' pods: the controllers that would clean up after
 * either stay away. Budgets, ReplicaSets and garbage collection are as in any cluster.
 */
const controllers = [
  '*',
  '-daemonset-controller',
  '-node-lifecycle-controller',
  '-pod-garbage-collector-controller',
  '-taint-eviction-controller',
].join(',');

const container = { name: 'app', image: 'registry.example/app:1' };

export interface RollNodeOptions {
  /** An administrator has cordoned it. */
  readonly cordoned?: boolean;
  /** The `reboot` section, beside what makes a reboot a matter of seconds. */
  readonly settings?: object;
}

/**
 * A real control plane with nodes that reboot. Their agents are processes, pods of a DaemonSet to the API server, which they
 * reach through a proxy; they may do what the chart's list says and its policies let pass, and nothing else.
 */
export class RollCluster {
  readonly plane: ControlPlane;
  readonly proxy: FaultProxy;
  readonly nodes: RebootingNode[] = [];
  readonly #pods: StandInNodes;
  readonly #daemonSet: Json;
  readonly #tokens = new Map<string, string>();
  #witness: RollWitness | undefined;

  private constructor(plane: ControlPlane, proxy: FaultProxy, pods: StandInNodes, daemonSet: Json) {
    this.plane = plane;
    this.proxy = proxy;
    this.#pods = pods;
    this.#daemonSet = daemonSet;
  }

  /** Without nodes, and with the chart's admission policies by these values. */
  static async launch(values: Json = {}): Promise<RollCluster> {
    const plane = await ControlPlane.launch({
      controllerManager: true,
      controllerManagerFlags: [`--controllers=${controllers}`],
    });
    const { clients } = plane;
    try {
      await installEraserObjects(clients);
      await clients.api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: account.name } });
      await grant(clients, 'agent', account);
      await grant(clients, 'reboots', account);
      await installAdmissionPolicies(clients, { config: { reboot: { enabled: true } }, ...values });
      const labels = { app: 'nodetender' };
      const daemonSet = await clients.api.create(`/apis/apps/v1/namespaces/${namespace}/daemonsets`, {
        metadata: { name: 'nodetender' },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [container] } },
        },
      });
      const target = { url: clients.server, certificateAuthority: clients.authority.certificate };
      const pods = new StandInNodes({ port: await agentPort(clients, 'pods'), api: plane.api, endMs: 200 });
      const cluster = new RollCluster(plane, await FaultProxy.start(target, 'h2'), pods, daemonSet);
      pods.target = () => cluster.#anyNode();
      await pods.start();
      return cluster;
    } catch (error) {
      await plane.destroy();
      throw error;
    }
  }

  /** Its agent does not run yet. */
  async addNode(name: string, { cordoned = false, settings = {} }: RollNodeOptions = {}): Promise<RebootingNode> {
    const pod = `nodetender-${name}`;
    const { uid } = this.#daemonSet['metadata'] as { uid: string };
    await this.plane.api.create(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: {
        name: pod,
        labels: { app: 'nodetender' },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'nodetender', uid, controller: true }],
      },
      spec: { nodeName: name, serviceAccountName: account.name, containers: [container] },
    });
    const token = await this.plane.serviceAccountToken({ namespace, name: account.name }, { pod });
    this.#tokens.set(token, name);
    const kubeconfig = join(this.plane.folder, `${pod}.kubeconfig`);
    const text = kubeconfigText({
      server: `https://127.0.0.1:${this.proxy.port}`,
      certificateAuthority: this.proxy.certificateAuthority,
      user: { token },
    });
    await writeFile(kubeconfig, text, { mode: 0o600 });
    const node = await RebootingNode.create({ clients: this.plane.clients, name, access: { kubeconfig }, settings });
    this.nodes.push(node);
    if (cordoned) await node.node.cordon(true);
    return node;
  }

  /** A ReplicaSet with a budget that lets one pod of it be missing. Resolves when all run. */
  async addWorkload(name: string, replicas: number): Promise<void> {
    await addWorkload(this.plane.api, name, { replicas });
  }

  /** Watches from now on. */
  async witness(): Promise<RollWitness> {
    const keptCordoned = await Promise.all(
      this.nodes.map(async ({ name }) => ((await this.object(name)).spec.unschedulable === true ? [name] : [])),
    );
    const port = await agentPort(this.plane.clients, 'witness');
    this.#witness = new RollWitness({ port, namespace, most: 1, keptCordoned: keptCordoned.flat() });
    await this.#witness.start();
    return this.#witness;
  }

  /** A Node as it stands there. */
  async object(name: string): Promise<NodeAsItStands> {
    return (await this.plane.api.get(`/api/v1/nodes/${name}`)) as unknown as NodeAsItStands;
  }

  /** Who holds a slot. */
  async holders(): Promise<string[]> {
    const { items } = (await this.plane.api.get(
      `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases?labelSelector=nodetender.dev/pool`,
    )) as { items: { spec: { holderIdentity?: string } }[] };
    return items.flatMap(({ spec }) => spec.holderIdentity ?? []).filter((holder) => holder !== '');
  }

  /** The node whose agent has this token. */
  nodeOf(token: string | undefined): RebootingNode | undefined {
    const name = this.#tokens.get(token ?? '');
    return this.nodes.find((node) => node.name === name);
  }

  /** What the agents have asked the API server for, as its audit log has it. */
  async requests(): Promise<AuditEvent[]> {
    return (await this.plane.auditEvents()).filter((event) => event.user === user && !isTryOfPolicies(event));
  }

  async dispose(): Promise<void> {
    for (const node of this.nodes) await node.dispose();
    await this.#witness?.stop();
    await this.#pods.stop();
    await this.proxy.close();
    await this.plane.destroy();
  }

  /** As a scheduler without taste. */
  #anyNode(): string | undefined {
    const found = this.#witness?.schedulable() ?? this.nodes.map(({ name }) => name);
    return found[Math.floor(Math.random() * found.length)];
  }
}

export interface NodeAsItStands {
  readonly metadata: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly unschedulable?: boolean };
  readonly status: {
    readonly conditions: readonly { type: string; status: string; reason: string; message: string }[];
  };
}
