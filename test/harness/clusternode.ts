import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { decodeLastClean, decodeStatus, type LastClean, type NodeStatus } from '../../agent/cluster/records.ts';
import { liveThroughPast } from '../emulators/runtime/past.ts';
import { RuntimeServer } from '../emulators/runtime/server.ts';
import { RuntimeStore } from '../emulators/runtime/store.ts';
import { AgentProcess, type ClusterAccess } from './agentprocess.ts';
import type { Api, Json } from './api.ts';
import { eventually } from './eventually.ts';
import type { Clients } from './clients.ts';

export interface ClusterNodeOptions {
  readonly clients: Clients;
  readonly name: string;
  /** The agent's; an administrator's kubeconfig where left out. */
  readonly access?: ClusterAccess;
  /** The `cluster` section of the agent's configuration. */
  readonly cluster?: object;
  /** Beside those that make an unused image of last week go at once. */
  readonly images?: object;
}

const HIT_DEADLINE_MS = 30_000;

/** A Node in a real cluster whose container runtime is emulated, and an agent in a process of its own. */
export class ClusterNode {
  readonly name: string;
  readonly store = new RuntimeStore();
  readonly server: RuntimeServer;
  readonly #options: ClusterNodeOptions;
  readonly #folder: string;
  readonly #api: Api;
  #agent: AgentProcess | undefined;

  private constructor(options: ClusterNodeOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#api = options.clients.api;
    this.name = options.name;
    this.server = new RuntimeServer({ store: this.store, socketPath: join(folder, 'cri.sock') });
  }

  /** The Node, Ready for an hour, and the runtime; images and agent come later. */
  static async create(options: ClusterNodeOptions): Promise<ClusterNode> {
    const node = new ClusterNode(options, await mkdtemp(join(tmpdir(), 'nodetender-')));
    await node.server.start();
    await node.#api.create('/api/v1/nodes', { metadata: { name: options.name } });
    await node.setReady(true, Date.now() - 3_600_000);
    return node;
  }

  get agent(): AgentProcess {
    if (this.#agent === undefined) throw new Error('the agent was not started');
    return this.#agent;
  }

  /** Images that nothing has used for days. */
  async addUnused(...tags: string[]): Promise<void> {
    for (const tag of tags) this.store.addImage({ tags: [tag] });
    await liveThroughPast(this.store, { directory: this.#folder, days: 3, nowMs: Date.now() });
  }

  async startAgent(): Promise<AgentProcess> {
    const { clients, access, cluster, images, name } = this.#options;
    this.#agent = await AgentProcess.start({
      endpoint: this.server.endpoint,
      stateDirectory: this.#folder,
      images: { minUnused: '0s', schedule: { every: '366d' }, pace: 'fast', ...images },
      cluster: {
        ...(access ?? { kubeconfig: await clients.kubeconfigFile('agent') }),
        nodeName: name,
        ...(cluster === undefined ? {} : { settings: cluster }),
      },
    });
    return this.#agent;
  }

  /** As kubectl annotate would; null removes one. */
  async annotate(annotations: Record<string, string | null>): Promise<void> {
    await this.#api.merge(this.#path, { metadata: { annotations } });
  }

  async cordon(unschedulable: boolean): Promise<void> {
    await this.#api.merge(this.#path, { spec: { unschedulable } });
  }

  async setReady(isReady: boolean, sinceMs = Date.now()): Promise<void> {
    const lastTransitionTime = `${new Date(sinceMs).toISOString().slice(0, 19)}Z`;
    const condition = { type: 'Ready', status: isReady ? 'True' : 'False', reason: 'Test', lastTransitionTime };
    await this.#api.merge(`${this.#path}/status`, { status: { conditions: [condition] } });
  }

  /** A pod bound to this node, pending, as the kubelet finds it. */
  async bindPod(name: string, spec: Json): Promise<void> {
    await this.#api.create('/api/v1/namespaces/default/pods', {
      metadata: { name, finalizers: ['test.nodetender.dev/stays'] },
      spec: { nodeName: this.name, terminationGracePeriodSeconds: 0, ...spec },
    });
  }

  /** What an eviction does: the pod has a deletionTimestamp and is still there. */
  async beginDeletion(pod: string): Promise<void> {
    await this.#api.delete(`/api/v1/namespaces/default/pods/${pod}`);
  }

  async endDeletion(pod: string): Promise<void> {
    await this.#api.merge(`/api/v1/namespaces/default/pods/${pod}`, { metadata: { finalizers: null } });
  }

  async annotation(key: string): Promise<string | undefined> {
    const { annotations = {} } = (await this.#api.get(this.#path))['metadata'] as {
      annotations?: Record<string, string>;
    };
    return annotations[key];
  }

  async lastClean(): Promise<LastClean | undefined> {
    const decoded = decodeLastClean((await this.annotation('nodetender.dev/last-clean')) ?? '');
    return decoded.ok ? decoded.value : undefined;
  }

  async status(): Promise<NodeStatus | undefined> {
    const decoded = decodeStatus((await this.annotation('nodetender.dev/status')) ?? '');
    return decoded.ok ? decoded.value : undefined;
  }

  /** The result that names the value as done. */
  async untilDone(request: string): Promise<LastClean> {
    return await eventually(
      `${request} is done`,
      async () => {
        const result = await this.lastClean();
        return result?.request === request ? result : undefined;
      },
      HIT_DEADLINE_MS,
    );
  }

  async untilState(state: string): Promise<NodeStatus> {
    return await eventually(
      `the status is ${state}`,
      async () => {
        const status = await this.status();
        return status?.state === state ? status : undefined;
      },
      HIT_DEADLINE_MS,
    );
  }

  /** Events about this Node, oldest first. */
  async events(): Promise<{ reason: string; type: string; note: string }[]> {
    const { items } = (await this.#api.get(
      `/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=regarding.name=${this.name}`,
    )) as { items: { reason: string; type: string; note: string; eventTime: string }[] };
    return items.toSorted((one, other) => one.eventTime.localeCompare(other.eventTime));
  }

  /** First tags of what is there. */
  images(): string[] {
    return [...this.store.images.values()].map(({ tags, id }) => tags[0] ?? id).toSorted();
  }

  removeCalls(): string[] {
    return this.server.faults.calls.filter(({ method }) => method === 'RemoveImage').map(({ argument }) => argument);
  }

  async dispose(): Promise<void> {
    await this.#agent?.kill();
    await this.server.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #path(): string {
    return `/api/v1/nodes/${this.name}`;
  }
}
