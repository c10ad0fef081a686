import { installAdmissionPolicies } from '../harness/admissionpolicy.ts';
import type { Api, Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { inLanes } from '../harness/lanes.ts';
import { grant } from '../harness/permissions.ts';
import { forgetPeak, peakResidentMbOf, usageBetween, usageOf } from './processusage.ts';
import { maximum, quantile } from './statistics.ts';

type Way = 'not confined' | 'confined' | 'confined, by somebody else';

export interface EvictionResult {
  /** In the namespace of the pod that is evicted. */
  readonly pods: number;
  /** As the API server answers it, managed fields and all. */
  readonly podBytes: number;
  /** Whether evictions are confined to the agent's node, and who asks for one if not the agent. */
  readonly way: Way;
  readonly evictions: number;
  readonly medianMs: number;
  readonly longestMs: number;
  /** Of the API server, for one eviction. */
  readonly cpuMs: number;
  /** The most that the API server had resident meanwhile. */
  readonly peakMb: number;
  /** As many at once as a drain asks for by default: until the last was answered, and how many were within 30 s. */
  readonly together: { readonly asked: number; readonly answered: number; readonly seconds: number };
}

/** Enough for a median; of those that take seconds a few must do. */
const alone = { least: 5, most: 50, enoughMs: 10_000 };
const atOnce = 10;
const account = { namespace: 'nodetender', name: 'nodetender' };
const [own, other] = ['web-1', 'web-2'];
const shop = '/api/v1/namespaces/default/pods';
const IN_FORCE_DEADLINE_MS = 120_000;

/**
 * What an eviction costs on a kube-apiserver in a namespace of so many pods, one in ten of them on the agent's node, with the
 * chart's admission policies as they are by default and with evictions confined to the node. They are dry runs, so that the pods
 * stay; admission is the same for them.
 */
export async function measureEvictions(podCounts: readonly number[]): Promise<EvictionResult[]> {
  const plane = await ControlPlane.launch();
  try {
    const agent = await agentOf(plane);
    const results: EvictionResult[] = [];
    let created = 0;
    for (const pods of podCounts) {
      const numbers = Array.from({ length: pods - created }, (_, index) => created + index);
      await inLanes(numbers, async (number) => void (await plane.api.create(shop, podOf(number))));
      created = pods;
      const podBytes = JSON.stringify(await plane.api.get(`${shop}/${nameOf(0)}`)).length;
      const measure = async (way: Way, person: Api): Promise<void> => {
        results.push({ pods, podBytes, way, ...(await costOfEvictions(person, plane.apiServer.pid)) });
      };
      await confine(plane, agent, false);
      await measure('not confined', agent);
      await confine(plane, agent, true);
      await measure('confined, by somebody else', plane.api);
      // Last: what is not answered in time keeps the API server busy for a while.
      await measure('confined', agent);
    }
    return results;
  } finally {
    await plane.destroy();
  }
}

/** With the token of an agent's pod on `own`. */
async function agentOf(plane: ControlPlane): Promise<Api> {
  const { api, clients } = plane;
  const { namespace, name } = account;
  await api.create('/api/v1/namespaces', { metadata: { name: namespace } });
  await api.create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
  for (const role of ['agent', 'reboots'] as const) await grant(clients, role, { kind: 'ServiceAccount', name });
  await api.create(`/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: 'agent' },
    spec: {
      nodeName: own,
      serviceAccountName: name,
      containers: [{ name: 'agent', image: 'registry.example/agent:1' }],
    },
  });
  return clients.apiOf({ token: await plane.serviceAccountToken(account, { pod: 'agent' }) });
}

/** Resolves when it is so. */
async function confine({ clients }: ControlPlane, agent: Api, isConfined: boolean): Promise<void> {
  const config = { reboot: { enabled: true } };
  await installAdmissionPolicies(clients, { config, admissionPolicy: { evictions: isConfined } });
  const expected = isConfined ? 422 : 201;
  const isInForce = async (): Promise<boolean> => (await evict(agent, 1)) === expected;
  await eventually(`an eviction on another node is answered ${expected}`, isInForce, IN_FORCE_DEADLINE_MS);
}

type Cost = Omit<EvictionResult, 'pods' | 'podBytes' | 'way'>;

async function costOfEvictions(person: Api, pid: number): Promise<Cost> {
  forgetPeak(pid);
  const before = usageOf(pid);
  const beganMs = performance.now();
  const tookMs: number[] = [];
  const isEnough = (): boolean => tookMs.length >= alone.least && performance.now() - beganMs > alone.enoughMs;
  while (tookMs.length < alone.most && !isEnough()) {
    const startedMs = performance.now();
    const status = await evict(person, 0);
    if (status !== 201) throw new Error(`an eviction on the agent's own node was answered ${status}`);
    tookMs.push(performance.now() - startedMs);
  }
  const { cpuSeconds } = usageBetween(before, usageOf(pid));
  const together = await evictTogether(person);
  return {
    evictions: tookMs.length,
    medianMs: quantile(tookMs, 0.5),
    longestMs: maximum(tookMs),
    cpuMs: (cpuSeconds * 1000) / tookMs.length,
    peakMb: peakResidentMbOf(pid),
    together,
  };
}

async function evictTogether(person: Api): Promise<EvictionResult['together']> {
  const startedMs = performance.now();
  // A request gives up after 30 s, as the agent's do.
  const answers = await Promise.allSettled(Array.from({ length: atOnce }, () => evict(person, 0)));
  const answered = answers.filter(({ status }) => status === 'fulfilled').length;
  return { asked: atOnce, answered, seconds: (performance.now() - startedMs) / 1000 };
}

/** Gives the HTTP status. */
async function evict(agent: Api, number: number): Promise<number> {
  const name = nameOf(number);
  const body = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: 'default' },
    deleteOptions: { dryRun: ['All'] },
  };
  return (await agent.send('POST', `${shop}/${name}/eviction`, body)).status;
}

function nameOf(number: number): string {
  return `service-${number}`;
}

/** As full of words as those of a real cluster, but for what a kubelet says of it. */
function podOf(number: number): Json {
  const env = Array.from({ length: 10 }, (_, index) => ({ name: `SETTING_${index}`, value: `value of ${index}` }));
  const container = (name: string): Json => ({
    name,
    image: `registry.example/team/${name}:1.${number}`,
    env,
    resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '64Mi' } },
    ports: [{ containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
  });
  return {
    metadata: { name: nameOf(number), labels: { app: nameOf(number), team: 'shop' } },
    spec: { nodeName: number % 10 === 0 ? own : other, containers: [container('app'), container('proxy')] },
  };
}
