import { decodeLastClean, decodeStatus, type LastClean, type NodeStatus } from '../../agent/cluster/records.ts';
import type { Api, Json } from './api.ts';
import type { Clients } from './clients.ts';
import { eventually } from './eventually.ts';

const HIT_DEADLINE_MS = 60_000;

/** A Node of a cluster: what people and the kubelet do to it, and what the agent says there. */
export class MemberNode {
  readonly name: string;
  readonly #api: Api;

  protected constructor({ api }: Clients, name: string) {
    this.#api = api;
    this.name = name;
  }

  /** Makes the Node, Ready for an hour. */
  protected async register(labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#api.create('/api/v1/nodes', { metadata: { name: this.name, labels } });
    await this.setReady(true, Date.now() - 3_600_000);
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

  /** As its kubelet does when it starts. */
  async reportBoot(bootID: string): Promise<void> {
    await this.#api.merge(`${this.#path}/status`, { status: { nodeInfo: { bootID } } });
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

  get #path(): string {
    return `/api/v1/nodes/${this.name}`;
  }
}
