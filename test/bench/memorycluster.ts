import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';

import { nodeEnvironment } from '../../scripts/bundle.ts';
import type { Clients } from '../harness/clients.ts';
import { agentNamespace } from '../harness/inprocessagent.ts';
import { installEraserObjects } from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import type { RebootingHost } from '../harness/rebootinghost.ts';
import { ServiceAccountMount } from '../harness/serviceaccount.ts';

/** As many as the kubelet runs on a node by default. */
const PODS = 110;
const containers = ['app', 'proxy', 'migrate'] as const;
/** Changed in each cycle of cleanings, so that the watch has something to read. */
const CHANGED_PODS = 10;

/** A real API server with a Node and the pods bound to it, as full of words as those of a real cluster. */
export class BenchCluster {
  readonly nodeName = 'bench';
  readonly #plane: ControlPlane;
  readonly #account: ServiceAccountMount;

  static async launch(): Promise<BenchCluster> {
    const plane = await ControlPlane.launch();
    try {
      await installEraserObjects(plane.clients);
      const cluster = new BenchCluster(plane, await accountOf(plane));
      await plane.api.create('/api/v1/nodes', { metadata: { name: cluster.nodeName } });
      for (let number = 0; number < PODS; number += 1) {
        await plane.api.create('/api/v1/namespaces/default/pods', cluster.#pod(number));
      }
      return cluster;
    } catch (error) {
      await plane.destroy();
      throw error;
    }
  }

  private constructor(plane: ControlPlane, account: ServiceAccountMount) {
    this.#plane = plane;
    this.#account = account;
  }

  get clients(): Clients {
    return this.#plane.clients;
  }

  /**
   * Runs a program as in a pod of the cluster: a kubeconfig would cost 15 MB, and no agent of a cluster reads one. With a host
   * it is one of the pods there.
   */
  async spawn(program: readonly string[], options: SpawnOptions, host?: RebootingHost): Promise<ChildProcess> {
    const inPod = this.#account.command(program);
    const [file = '', ...args] = (await host?.command(inPod)) ?? inPod;
    const { port } = new URL(this.#plane.clients.server);
    const server = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port };
    return spawn(file, args, {
      ...options,
      env: { ...process.env, ...nodeEnvironment, ...server, ...host?.environment },
    });
  }

  /** What its pods run, which is on the Node. */
  get images(): string[] {
    return Array.from({ length: PODS }, (_, number) => containers.map((name) => imageOf(number, name))).flat();
  }

  /** What kubelets do all the time. */
  async changePods(cycle: number, count = CHANGED_PODS): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const name = `pod-${(cycle * count + index) % PODS}`;
      const condition = { type: 'Ready', status: cycle % 2 === 0 ? 'True' : 'False' };
      const status = { phase: 'Running', conditions: [condition] };
      await this.#plane.api.merge(`/api/v1/namespaces/default/pods/${name}/status`, { status });
    }
  }

  async destroy(): Promise<void> {
    await this.#plane.destroy();
    await this.#account.dispose();
  }

  #pod(number: number): Record<string, unknown> {
    const env = Array.from({ length: 30 }, (_, index) => ({ name: `SETTING_${index}`, value: `value of ${index}` }));
    const container = (name: (typeof containers)[number]) => ({
      name,
      image: imageOf(number, name),
      env,
      resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '64Mi' } },
      ports: [{ containerPort: 8080 }],
    });
    return {
      metadata: { name: `pod-${number}`, labels: { app: `service-${number}`, team: 'shop' } },
      spec: {
        nodeName: this.nodeName,
        containers: [container('app'), container('proxy')],
        initContainers: [container('migrate')],
      },
    };
  }
}

function imageOf(pod: number, container: string): string {
  return `registry.example/team/service-${pod}-${container}:1.${pod}`;
}

/** What the kubelet gives the agent's pod; it may do everything. */
async function accountOf(plane: ControlPlane): Promise<ServiceAccountMount> {
  const account = { namespace: agentNamespace, name: 'agent' };
  const { api, authority } = plane.clients;
  await api.create(`/api/v1/namespaces/${account.namespace}/serviceaccounts`, { metadata: { name: account.name } });
  await api.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: account.name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', ...account }],
  });
  const token = await plane.serviceAccountToken(account);
  return await ServiceAccountMount.create({
    token,
    'ca.crt': authority.certificate,
    namespace: account.namespace,
  });
}
