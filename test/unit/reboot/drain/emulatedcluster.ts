import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { budgets, daemonSets, nodes, type PodObject, pods } from '../../../../agent/cluster/objects.ts';
import type { KubernetesPort, Resource } from '../../../../agent/cluster/port.ts';
import {
  Drain,
  type DrainContext,
  type DrainOutcome,
  type DrainProgress,
} from '../../../../agent/reboot/drain/drain.ts';
import type { DrainOptions } from '../../../../agent/reboot/drain/options.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { runDisruptionController } from '../../../emulators/kubernetes/disruption.ts';
import { textAt } from '../../../emulators/kubernetes/objects.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';

export const kuredsDefaults: DrainOptions = {
  timeoutMs: 30 * 60_000,
  podTimeoutMs: undefined,
  gracePeriodSeconds: undefined,
  podSelector: undefined,
  skipTerminatingAfterSeconds: undefined,
  parallelism: 10,
  evictEmptyDir: true,
  evictUnmanaged: true,
};

export interface PodDetails {
  readonly labels?: Record<string, string>;
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
}

/** An API server with a node to drain, a kubelet that ends its pods after a second, and a controller that replaces them. */
export class EmulatedCluster {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock });
  readonly port: KubernetesPort;
  readonly progress: DrainProgress[] = [];
  /** Pods that the kubelet does not end. */
  readonly stuck = new Set<string>();
  /** Pods in the order in which their evictions were accepted. */
  readonly ended: string[] = [];
  readonly #ending = new Set<string>();
  readonly #admin: KubernetesPort;

  private constructor() {
    // Without the garbage collector: owners of pods are names here, and no objects.
    const budgetResource = this.server.resource('poddisruptionbudgets', 'policy');
    runDisruptionController(this.server.store, { pods: this.server.resource('pods'), budgets: budgetResource });
    this.server.access.grant('agent');
    this.server.access.grant('admin');
    this.port = this.portOf('agent');
    this.#admin = this.portOf('admin');
    this.server.store.listen(({ storedAs, object, type }) => {
      const { uid, name } = object.metadata;
      const isEnding = storedAs === 'pods' && type !== 'DELETED' && textAt(object, 'metadata.deletionTimestamp') !== '';
      if (!isEnding || this.#ending.has(uid)) return;
      this.#ending.add(uid);
      this.ended.push(name);
      if (!this.stuck.has(name)) void this.#end(textAt(object, 'metadata.namespace'), name, 1_000);
    });
  }

  portOf(user: string): KubernetesPort {
    const { server, clock } = this;
    const transport = new InMemoryTransport({ server, user, clock });
    return new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  }

  /** With a node to drain. */
  static async create(): Promise<EmulatedCluster> {
    const cluster = new EmulatedCluster();
    await cluster.#admin.create(nodes, undefined, { metadata: { name: 'node-1' }, spec: { unschedulable: true } });
    return cluster;
  }

  /** A running, ready pod of a ReplicaSet on the node. */
  async pod(name: string, { labels = {}, spec = {}, metadata = {}, status = {} }: PodDetails = {}): Promise<PodObject> {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs', controller: true };
    await this.#admin.create(pods, 'default', {
      metadata: { name, labels, ownerReferences: [owner], ...metadata },
      spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'registry.example/app:1' }], ...spec },
    });
    const conditions = [{ type: 'Ready', status: 'True' }];
    const body = { status: { phase: 'Running', conditions, ...status } };
    const target = { namespace: 'default', name };
    return await this.#admin.patch(pods, target, { type: 'merge', body, subresource: 'status' });
  }

  /** A budget of that name for the pods with that label `app`. */
  async budget(name: string, app: string, spec: object): Promise<void> {
    const selector = { matchLabels: { app } };
    await this.#admin.create(budgets, 'default', { metadata: { name }, spec: { selector, ...spec } });
  }

  async daemonSet(name: string): Promise<void> {
    await this.#admin.create(daemonSets, 'default', { metadata: { name } });
  }

  /** At once, as if nobody ran it. */
  async remove(resource: Resource, name: string): Promise<void> {
    const stored = this.server.resource(resource.plural, resource.group);
    const found = this.server.store.get(stored, 'default', name);
    if (found !== undefined) this.server.store.delete(stored, found);
  }

  podNames(): string[] {
    return this.server.store.list(this.server.resource('pods')).map(({ metadata }) => metadata.name);
  }

  async uncordon(): Promise<void> {
    await this.#admin.patch(nodes, { name: 'node-1' }, { type: 'merge', body: { spec: { unschedulable: false } } });
  }

  drain(options: Partial<DrainOptions> = {}, port: DrainContext['port'] = this.port): Drain {
    const { clock } = this;
    const onProgress = (progress: DrainProgress): number => this.progress.push(progress);
    const all = { ...kuredsDefaults, ...options };
    return new Drain({ port, nodeName: 'node-1', options: all, clock, random: () => 0.5, onProgress });
  }

  /** To its end, in virtual time. */
  async drained(options: Partial<DrainOptions> = {}, port: DrainContext['port'] = this.port): Promise<DrainOutcome> {
    return await this.clock.run(this.drain(options, port).run(new AbortController().signal));
  }

  /** Requests for evictions so far, as `name`. */
  evictions(): string[] {
    return this.server.faults.arrivals
      .filter(({ subresource }) => subresource === 'eviction')
      .map(({ name = '' }) => name);
  }

  async #end(namespace: string, name: string, afterMs: number): Promise<void> {
    await this.clock.sleep(afterMs);
    const pods = this.server.resource('pods');
    const found = this.server.store.get(pods, namespace, name);
    if (found !== undefined) this.server.store.delete(pods, found);
  }
}
