import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { systemClock } from '../../agent/clock.ts';
import { nodes } from '../../agent/cluster/objects.ts';
import { Drain } from '../../agent/reboot/drain/drain.ts';
import type { DrainOptions } from '../../agent/reboot/drain/options.ts';
import { rehearse } from '../../agent/reboot/drain/rehearsal.ts';
import { agentPort } from '../harness/agentport.ts';
import type { Json } from '../harness/api.ts';
import { kubernetesComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { StandInNodes } from '../harness/standinnodes.ts';

const execute = promisify(execFile);

export interface DrainLoad {
  readonly name: string;
  readonly deployments: number;
  readonly replicas: number;
  /** Of each Deployment; undefined: no budget. */
  readonly maxUnavailable: number | undefined;
}

export interface DrainResult {
  readonly load: string;
  readonly pods: number;
  readonly way: string;
  readonly seconds: readonly number[];
  readonly requests: readonly number[];
  /** Of the requests, evictions that a budget refused. */
  readonly refused: readonly number[];
}

/** What a small service takes to end, and its replacement to be ready. */
const endMs = 1_000;
const startMs = 1_000;
const spare = 'spare';
const READY_DEADLINE_MS = 120_000;
const DRAIN_DEADLINE_MS = 600_000;

/** Kured's, for the drain; ours where kured has none. */
const options: DrainOptions = {
  timeoutMs: DRAIN_DEADLINE_MS,
  podTimeoutMs: undefined,
  gracePeriodSeconds: undefined,
  podSelector: undefined,
  skipTerminatingAfterSeconds: undefined,
  parallelism: 10,
  evictEmptyDir: true,
  evictUnmanaged: true,
};

interface Way {
  readonly name: string;
  readonly user: string;
  readonly drain: (plane: ControlPlane, node: string) => Promise<void>;
}

const kubectl: Way = { name: 'kubectl drain', user: 'kubectl-drain', drain: drainWithKubectl };
const agent: Way = { name: 'nodetender', user: 'agent', drain: drainWithAgent };

/** Each way as often as `rounds`, by turns, on a node of its own with the same load. */
export async function measureDraining(loads: readonly DrainLoad[], rounds: number): Promise<DrainResult[]> {
  // Nobody reports these nodes as alive, which would end in taints and evictions of another kind.
  const controllers = '*,-node-lifecycle-controller,-taint-eviction-controller,-pod-garbage-collector-controller';
  const plane = await ControlPlane.launch({
    controllerManager: true,
    controllerManagerFlags: [
      `--controllers=${controllers}`,
      '--kube-api-qps=500',
      '--kube-api-burst=500',
      '--concurrent-deployment-syncs=10',
    ],
  });
  const port = await agentPort(plane.clients, 'nodes');
  const standIn = new StandInNodes({ port, api: plane.api, startMs, endMs });
  try {
    await standIn.start();
    await plane.api.create('/api/v1/nodes', { metadata: { name: spare } });
    const results: DrainResult[] = [];
    for (const load of loads) results.push(...(await measureLoad(plane, standIn, load, rounds)));
    return results;
  } finally {
    await standIn.stop();
    port.close();
    await plane.destroy();
  }
}

async function measureLoad(
  plane: ControlPlane,
  standIn: StandInNodes,
  load: DrainLoad,
  rounds: number,
): Promise<DrainResult[]> {
  const measured = new Map<Way, Figures>();
  for (const way of [kubectl, agent]) measured.set(way, { seconds: [], requests: [], refused: [] });
  for (let round = 1; round <= rounds; round += 1) {
    for (const [way, figures] of measured) {
      const node = `${way.user}-${load.deployments}-${load.maxUnavailable ?? 'free'}-${round}`;
      standIn.target = node;
      await fillNode(plane, node, load);
      standIn.target = spare;
      const before = (await plane.auditEvents()).length;
      const startedMs = performance.now();
      await way.drain(plane, node);
      figures.seconds.push((performance.now() - startedMs) / 1000);
      const events = (await plane.auditEvents()).slice(before).filter(({ user }) => user === way.user);
      figures.requests.push(events.length);
      figures.refused.push(events.filter(({ subresource, code }) => subresource === 'eviction' && code === 429).length);
      await emptyNamespace(plane, node);
    }
  }
  const pods = load.deployments * load.replicas;
  return Array.from(measured, ([way, figures]) => ({ load: load.name, pods, way: way.name, ...figures }));
}

interface Figures {
  readonly seconds: number[];
  readonly requests: number[];
  readonly refused: number[];
}

/** Deployments whose pods are all ready on one node, and their budgets, counted. */
async function fillNode({ api }: ControlPlane, node: string, load: DrainLoad): Promise<void> {
  await api.create('/api/v1/nodes', { metadata: { name: node } });
  await api.create('/api/v1/namespaces', { metadata: { name: node } });
  for (let index = 0; index < load.deployments; index += 1) {
    const labels = { app: `app-${index}` };
    const containers = [{ name: 'app', image: 'registry.example/app:1' }];
    await api.create(`/apis/apps/v1/namespaces/${node}/deployments`, {
      metadata: { name: `app-${index}` },
      spec: {
        replicas: load.replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    });
    if (load.maxUnavailable === undefined) continue;
    await api.create(`/apis/policy/v1/namespaces/${node}/poddisruptionbudgets`, {
      metadata: { name: `app-${index}` },
      spec: { maxUnavailable: load.maxUnavailable, selector: { matchLabels: labels } },
    });
  }
  await eventually(
    `${load.deployments} Deployments are ready on ${node}`,
    async () => {
      const deployments = await items(api, `/apis/apps/v1/namespaces/${node}/deployments`);
      const budgets = await items(api, `/apis/policy/v1/namespaces/${node}/poddisruptionbudgets`);
      return (
        deployments.every((deployment) => deployment['readyReplicas'] === load.replicas) &&
        budgets.every((budget) => budget['disruptionsAllowed'] === load.maxUnavailable)
      );
    },
    READY_DEADLINE_MS,
  );
}

/** The status of each. */
async function items(api: ControlPlane['api'], path: string): Promise<Json[]> {
  const { items } = (await api.get(path)) as { items: { status?: Json }[] };
  return items.map(({ status = {} }) => status);
}

async function emptyNamespace({ api }: ControlPlane, namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}`;
  await api.delete(path);
  const isGone = async (): Promise<boolean> => (await api.send('GET', path)).status === 404;
  await eventually(`${namespace} is gone`, isGone, READY_DEADLINE_MS);
}

async function drainWithKubectl({ clients, folder }: ControlPlane, node: string): Promise<void> {
  const config = await clients.kubeconfigFile(kubectl.user, administrator(clients, kubectl.user));
  const env = { PATH: '/usr/bin:/bin', HOME: folder, KUBECONFIG: config };
  const flags = ['--ignore-daemonsets', '--delete-emptydir-data', '--force'];
  const limits = { timeout: DRAIN_DEADLINE_MS, maxBuffer: 64 * 1024 * 1024 };
  await execute(kubernetesComponents().kubectl, ['drain', node, ...flags], { env, ...limits });
}

/** With the cordon, which is the machine's, and the rehearsal before it. */
async function drainWithAgent({ clients }: ControlPlane, node: string): Promise<void> {
  const port = await agentPort(clients, agent.user, administrator(clients, agent.user));
  try {
    const { signal } = new AbortController();
    const context = { port, nodeName: node, options, clock: systemClock, random: Math.random };
    await rehearse(context, signal);
    await port.patch(nodes, { name: node }, { type: 'merge', body: { spec: { unschedulable: true } } });
    const outcome = await new Drain(context).run(signal);
    if (outcome.status !== 'drained') throw new Error(`${node}: ${JSON.stringify(outcome)}`);
  } finally {
    port.close();
  }
}

function administrator(clients: ControlPlane['clients'], commonName: string): ReturnType<typeof clients.user> {
  return clients.user({ commonName, organizations: ['system:masters'] });
}
