import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { runDisruptionController } from '../test/emulators/kubernetes/disruption.ts';
import { type StoredObject, textAt } from '../test/emulators/kubernetes/objects.ts';
import type { KubernetesServer } from '../test/emulators/kubernetes/server.ts';

const namespace = '/api/v1/namespaces/shop/pods';
/** What a pod takes to end, and another to begin. */
const END_MS = 300;

/** The pods of a shop, and those who care for them: kubelets that end them, a controller that makes others elsewhere. */
export class DemoPods {
  readonly #api: KubernetesServer;
  readonly #nodes: readonly string[];
  readonly #leave: (() => void)[] = [];
  readonly #work = new Set<Promise<void>>();
  #made = 0;

  constructor(api: KubernetesServer, nodes: readonly string[]) {
    this.#api = api;
    this.#nodes = nodes;
    const { emulated } = api;
    const pods = emulated.resource('pods');
    this.#leave.push(
      runDisruptionController(emulated.store, { pods, budgets: emulated.resource('poddisruptionbudgets', 'policy') }),
      emulated.store.listen(({ storedAs, type, object }) => {
        if (storedAs !== pods.storedAs || textAt(object, 'metadata.namespace') !== 'shop') return;
        if (type === 'DELETED') this.#begin(() => this.#replace(object));
        else if (textAt(object, 'metadata.deletionTimestamp') !== '') this.#begin(() => this.#end(object));
      }),
    );
  }

  async create(app: string, node: string): Promise<void> {
    this.#made += 1;
    const name = `${app}-${this.#made}`;
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: app, uid: randomUUID(), controller: true };
    await this.#api.clients.api.create(namespace, {
      metadata: { name, labels: { app }, ownerReferences: [owner] },
      spec: { nodeName: node, containers: [{ name: 'app', image: `registry.example/shop/${app}:1` }] },
    });
    const ready = [{ type: 'Ready', status: 'True' }];
    await this.#api.clients.api.merge(`${namespace}/${name}/status`, {
      status: { phase: 'Running', conditions: ready },
    });
  }

  /** `checkout-4 on node-2`, by name. */
  places(): string[] {
    return this.#stored('pods')
      .filter((pod) => textAt(pod, 'metadata.namespace') === 'shop')
      .map((pod) => `${pod.metadata.name} on ${textAt(pod, 'spec.nodeName')}`)
      .toSorted();
  }

  async stop(): Promise<void> {
    for (const leave of this.#leave) leave();
    await Promise.allSettled(this.#work);
  }

  async #end(pod: StoredObject): Promise<void> {
    await delay(END_MS);
    await this.#api.clients.api.delete(`${namespace}/${pod.metadata.name}`, { gracePeriodSeconds: 0 });
  }

  /** On the first node that takes pods. */
  async #replace(pod: StoredObject): Promise<void> {
    const cordoned = new Set(
      this.#stored('nodes')
        .filter(({ spec }) => (spec as { unschedulable?: boolean } | undefined)?.unschedulable === true)
        .map(({ metadata }) => metadata.name),
    );
    const node = this.#nodes.find((name) => !cordoned.has(name));
    if (node !== undefined) await this.create(textAt(pod, 'metadata.labels.app'), node);
  }

  #stored(plural: string): StoredObject[] {
    const { emulated } = this.#api;
    return emulated.store.list(emulated.resource(plural));
  }

  #begin(work: () => Promise<void>): void {
    // What could not be done is a pod that is missing at the end.
    const done: Promise<void> = work()
      .catch(() => undefined)
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}
