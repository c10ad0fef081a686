import { type PodObject, pods } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import type { VirtualClock } from '../../emulators/clock.ts';
import type { ObjectStore } from '../../emulators/kubernetes/store.ts';
import type { Chance } from '../random.ts';
import type { Machine } from './machine.ts';

export interface WorkloadOptions {
  readonly admin: KubernetesPort;
  readonly store: ObjectStore;
  readonly namespace: string;
  readonly machines: ReadonlyMap<string, Machine>;
  readonly chance: Chance;
  readonly clock: VirtualClock;
}

/** A pod on each machine that takes one, with its scheduler and the kubelets that end it. */
export class Workload {
  readonly #options: WorkloadOptions;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    options.store.listen(({ storedAs, object }) => {
      if (storedAs === 'pods') void this.#endPod(object);
    });
  }

  /** New pods come where they may. */
  async schedule(): Promise<void> {
    for (const machine of this.#options.machines.values()) {
      const node = await machine.node();
      const isOpen = node !== undefined && node.spec?.unschedulable !== true && machine.host.state === 'up';
      if (isOpen && this.#podsOn(machine.name).length === 0) await this.run(machine.name);
    }
  }

  /** A pod of a workload: its eviction ends it, at once or when the kubelet has done so. */
  async run(nodeName: string): Promise<void> {
    const { namespace, admin, chance } = this.#options;
    const name = `web-${nodeName}-${chance.between(1, 1e6)}`;
    const terminationGracePeriodSeconds = chance.hits(0.7) ? 0 : 30;
    await admin.create<PodObject>(pods, namespace, {
      metadata: { name, labels: { app: 'web', node: nodeName } },
      spec: { nodeName, terminationGracePeriodSeconds, containers: [{ name: 'web', image: 'web' }] },
    });
    const body = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
    await admin.patch(pods, { namespace, name }, { type: 'merge', body, subresource: 'status' });
  }

  /** Without asking anybody: their machine is gone. */
  async deleteFrom(nodeName: string): Promise<void> {
    const { namespace, admin } = this.#options;
    for (const name of this.#podsOn(nodeName)) await admin.delete(pods, { namespace, name });
  }

  #podsOn(nodeName: string): string[] {
    const found = this.#options.store.list({ storedAs: 'pods' }) as unknown as PodObject[];
    return found.filter(({ spec }) => spec?.nodeName === nodeName).map(({ metadata }) => metadata.name);
  }

  /** As the kubelet does with one that is going. */
  async #endPod({ metadata, spec }: PodObject): Promise<void> {
    if (metadata.deletionTimestamp === undefined) return;
    const { clock, chance, machines, store, namespace } = this.#options;
    const { name, uid } = metadata;
    await clock.sleep(chance.between(1_000, 20_000));
    const { host } = machines.get(spec?.nodeName ?? '') ?? {};
    if (host?.state === 'down') await clock.sleep(60_000);
    const found = store.get({ storedAs: 'pods' }, namespace, name);
    if (found?.metadata.uid === uid) store.delete({ storedAs: 'pods' }, found);
  }
}
