import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { eventually } from '../eventually.ts';
import { freePorts } from '../ports.ts';
import { RebootingNode } from '../rebootingnode.ts';
import type { MachineCluster } from './cluster.ts';
import { namespace } from './installation.ts';

const HEARTBEAT_MS = 5_000;
const DEADLINE_MS = 120_000;

/** A node beside the machine, without a kubelet: its agent is a process with the token of its DaemonSet's pod. */
export class SecondNode {
  readonly node: RebootingNode;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #httpAddress: string;

  private constructor(node: RebootingNode, heartbeat: NodeJS.Timeout, httpAddress: string) {
    this.node = node;
    this.#heartbeat = heartbeat;
    this.#httpAddress = httpAddress;
  }

  /** Its agent runs. `settings` is the `reboot` section, beside what makes it wait for nothing. */
  static async join({ plane }: MachineCluster, name: string, settings: object): Promise<SecondNode> {
    const { api, clients } = plane;
    const kubeconfig = join(plane.folder, `${name}.kubeconfig`);
    const [port = 0] = await freePorts(1);
    const httpAddress = `127.0.0.1:${port}`;
    // As its kubelet labels it, and the chart asks for it.
    const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name };
    const node = await RebootingNode.create({ clients, name, access: { kubeconfig }, settings, labels, httpAddress });
    // What a kubelet would say: that it is alive, and has room.
    const lease = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases`;
    const renewed = () => ({ spec: { renewTime: new Date().toISOString().replace('Z', '000Z') } });
    await api.create(lease, { metadata: { name }, spec: { ...renewed().spec, holderIdentity: name } });
    const heartbeat = setInterval(
      () => void api.merge(`${lease}/${name}`, renewed()).catch(() => undefined),
      HEARTBEAT_MS,
    );
    const second = new SecondNode(node, heartbeat, httpAddress);
    try {
      const allocatable = { cpu: '2', memory: '2Gi', pods: '10' };
      await api.merge(`/api/v1/nodes/${name}/status`, { status: { allocatable, capacity: allocatable } });
      const pod = await eventually(
        `${name} has a pod of the DaemonSet`,
        async () => await podOn(plane, name),
        DEADLINE_MS,
      );
      const token = await plane.serviceAccountToken({ namespace, name: 'nodetender' }, { pod });
      await writeFile(kubeconfig, clients.kubeconfig({ token }), { mode: 0o600 });
      await node.node.startAgent();
      return second;
    } catch (error) {
      await second.dispose();
      throw error;
    }
  }

  /** Lines of its agent's metrics that begin so. */
  async metrics(prefix: string): Promise<string[]> {
    const answer = await fetch(`http://${this.#httpAddress}/metrics`);
    return (await answer.text()).split('\n').filter((line) => line.startsWith(prefix));
  }

  async dispose(): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.node.dispose();
  }
}

async function podOn({ api }: MachineCluster['plane'], node: string): Promise<string | undefined> {
  const selector = `fieldSelector=spec.nodeName=${node}&labelSelector=app.kubernetes.io/name=nodetender`;
  const { items } = (await api.get(`/api/v1/namespaces/${namespace}/pods?${selector}`)) as {
    items: { metadata: { name: string } }[];
  };
  return items[0]?.metadata.name;
}
