import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { installAdmissionPolicies, isTryOfPolicies } from './admissionpolicy.ts';
import type { AuditEvent } from './audit.ts';
import { kubernetesComponents } from './components.ts';
import { ContainerdNode } from './containerdnode.ts';
import { installEraserObjects } from './imagelistagents.ts';
import { ControlPlane } from './kubernetes.ts';
import { grant } from './permissions.ts';

const execute = promisify(execFile);
const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));
const namespace = 'nodetender';
const agent = { kind: 'ServiceAccount', name: 'nodetender' };
const person = { kind: 'User', name: 'person' };
const userNames = { agent: `system:serviceaccount:${namespace}:${agent.name}`, person: person.name };

/** Each node has these, and has them still after whatever is asked of it. */
export const inUse = {
  running: 'registry.example/running:1',
  named: ['app', 'ephemeral', 'init', 'volume'].map((name) => `registry.example/pod-${name}:1`),
};
const alwaysThere = [inUse.running, ...inUse.named];

/**
 * The cluster that our pages speak of: a real API server, and the nodes web-1, web-2 (both `pool=web`) and db-1 with a
 * real containerd of either generation and an agent each. Agents and the person with the commands may do what the chart's
 * list says and its policies let pass, and nothing else.
 */
export class DocumentedCluster {
  readonly plane: ControlPlane;
  readonly nodes: readonly ContainerdNode[];
  readonly #personFile: string;
  readonly #administratorFile: string;

  private constructor(plane: ControlPlane, nodes: readonly ContainerdNode[], files: readonly [string, string]) {
    this.plane = plane;
    this.nodes = nodes;
    [this.#administratorFile, this.#personFile] = files;
  }

  static async launch(): Promise<DocumentedCluster> {
    // Off by default in 1.34: the API server would drop the volumes.
    const plane = await ControlPlane.launch({ apiServerFlags: ['--feature-gates=ImageVolume=true'] });
    const { clients } = plane;
    const nodes: ContainerdNode[] = [];
    const launch = async (name: string, pool: string, generation: '1.6' | '2.x'): Promise<void> => {
      nodes.push(await launchNode(plane, name, pool, generation));
    };
    try {
      await installEraserObjects(clients);
      await clients.api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: agent.name } });
      await grant(clients, 'agent', agent);
      await grant(clients, 'person', person);
      await installAdmissionPolicies(clients, {});
      await launch('web-1', 'web', '1.6');
      await launch('web-2', 'web', '2.x');
      await launch('db-1', 'db', '2.x');
      const personFile = await clients.kubeconfigFile('person', clients.user({ commonName: person.name }));
      return new DocumentedCluster(plane, nodes, [await clients.kubeconfigFile('administrator'), personFile]);
    } catch (error) {
      for (const node of nodes) await node.dispose();
      await plane.destroy();
      throw error;
    }
  }

  /** By name. */
  node(name: string): ContainerdNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Every node has these images beside those that are always there, long unused, and an agent that knows the cluster. */
  async startAgentsWith(...tags: readonly string[]): Promise<void> {
    await Promise.all(this.nodes.map(async (node) => await node.startAgentWith(...tags)));
  }

  /** What each node has beside the images that are always there. Throws where one of those is missing. */
  async images(): Promise<string[][]> {
    return await Promise.all(
      this.nodes.map(async (node) => {
        const held = await node.held();
        const missing = alwaysThere.filter((tag) => !held.includes(tag));
        if (missing.length > 0) throw new Error(`${node.name} has lost images in use: ${missing.join(', ')}`);
        return held.filter((tag) => !alwaysThere.includes(tag));
      }),
    );
  }

  /**
   * Types a line into a shell that has kubectl and nodetender, kubectl as the administrator, nodetender as the person.
   * Standard output; rejects with standard error in the message where the line fails.
   */
  async type(line: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const { folder } = this.plane;
    const { stdout } = await execute('/bin/sh', ['-c', line], {
      cwd: folder,
      env: {
        PATH: `${dirname(kubernetesComponents().kubectl)}:/usr/bin:/bin:${scripts}`,
        HOME: folder,
        // kubectl edit leaves what it could not save.
        TMPDIR: folder,
        KUBECONFIG: line.startsWith('nodetender') ? this.#personFile : this.#administratorFile,
        ...env,
      },
      timeout: 60_000,
    });
    return stdout;
  }

  /** What all agents, or the person with the commands, have asked the API server for, as its audit log has it. */
  async requestsOf(role: 'agent' | 'person'): Promise<AuditEvent[]> {
    const events = await this.plane.auditEvents();
    return events.filter((event) => event.user === userNames[role] && !isTryOfPolicies(event));
  }

  async dispose(): Promise<void> {
    for (const node of this.nodes) await node.dispose();
    await this.plane.destroy();
  }
}

/** With an agent's pod, whose token it has; a pod that is about to start, and another that runs. */
async function launchNode(
  plane: ControlPlane,
  name: string,
  pool: string,
  generation: '1.6' | '2.x',
): Promise<ContainerdNode> {
  const { clients } = plane;
  const pod = `nodetender-${name}`;
  await clients.api.create(`/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: pod },
    spec: {
      nodeName: name,
      serviceAccountName: agent.name,
      containers: [{ name: 'agent', image: 'registry.example/nodetender:1' }],
    },
  });
  const token = await plane.serviceAccountToken({ namespace, name: agent.name }, { pod });
  const node = await ContainerdNode.launch({
    clients,
    name,
    labels: { pool },
    generation,
    kubeconfig: await clients.kubeconfigFile(pod, { token }),
    cluster: { settle: '0s', namespace },
  });
  try {
    await node.import(...alwaysThere);
    await node.runContainer(inUse.running);
    const [app = '', ephemeral = '', init = '', volume = ''] = inUse.named;
    await node.bindPod(`pod-${name}`, {
      containers: [{ name: 'app', image: app }],
      initContainers: [{ name: 'init', image: init }],
      volumes: [{ name: 'model', image: { reference: volume } }],
    });
    await plane.kubectl('debug', `pod-${name}`, `--image=${ephemeral}`, '--attach=false');
    return node;
  } catch (error) {
    await node.dispose();
    throw error;
  }
}
