import type { Api, Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';
import { standInAnnotations } from '../harness/standinnodes.ts';

export interface PodDetails {
  readonly labels?: Json;
  readonly annotations?: Json;
  readonly owner?: Json | 'none';
  readonly finalizers?: readonly string[];
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly ready?: boolean;
  readonly emptyDir?: boolean;
  readonly graceSeconds?: number;
  readonly priorityClass?: string;
  readonly node?: string;
  /** From the beginning of its deletion until it is gone. */
  readonly endsAfterMs?: number | 'never';
}

const DEADLINE_MS = 60_000;

/** A node and a namespace of their own, on which one way to drain is tried. */
export class DrainSite {
  readonly api: Api;
  readonly name: string;
  /** UIDs of the pods that the test made, by name. */
  readonly made = new Map<string, string>();

  private constructor(api: Api, name: string) {
    this.api = api;
    this.name = name;
  }

  static async create(api: Api, name: string): Promise<DrainSite> {
    const site = new DrainSite(api, name);
    await api.create('/api/v1/nodes', { metadata: { name } });
    await api.create('/api/v1/namespaces', { metadata: { name } });
    return site;
  }

  get pods(): string {
    return `/api/v1/namespaces/${this.name}/pods`;
  }

  /** Running, ready, and of a ReplicaSet, where nothing else is said. */
  async pod(name: string, details: PodDetails = {}): Promise<void> {
    const { labels = {}, annotations = {}, finalizers = [], phase = 'Running', ready = phase === 'Running' } = details;
    const { owner = ownerOf('ReplicaSet', 'web'), graceSeconds = 30, endsAfterMs, priorityClass } = details;
    const created = await this.api.create(this.pods, {
      metadata: {
        name,
        labels,
        finalizers,
        annotations: {
          [standInAnnotations.byHand]: 'yes',
          ...(endsAfterMs === undefined ? {} : { [standInAnnotations.endsAfterMs]: String(endsAfterMs) }),
          ...annotations,
        },
        ...(owner === 'none' ? {} : { ownerReferences: [owner] }),
      },
      spec: {
        nodeName: details.node ?? this.name,
        terminationGracePeriodSeconds: graceSeconds,
        containers: [{ name: 'app', image: 'registry.example/app:1' }],
        ...(details.emptyDir === true ? { volumes: [{ name: 'data', emptyDir: {} }] } : {}),
        ...(priorityClass === undefined ? {} : { priorityClassName: priorityClass }),
      },
    });
    // Of two of one name the first is the one to be drained.
    if (!this.made.has(name)) this.made.set(name, String((created['metadata'] as Json)['uid']));
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    await this.api.merge(`${this.pods}/${name}/status`, { status: { phase, conditions } });
  }

  /** Its deletion begins, and it is there. */
  async beginDeletion(name: string, gracePeriodSeconds: number): Promise<void> {
    await this.api.send('DELETE', `${this.pods}/${name}`, { gracePeriodSeconds });
  }

  async daemonSet(name: string): Promise<void> {
    const labels = { ds: name };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: 'app', image: 'registry.example/app:1' }] },
    };
    await this.api.create(`/apis/apps/v1/namespaces/${this.name}/daemonsets`, {
      metadata: { name },
      spec: { selector: { matchLabels: labels }, template },
    });
  }

  /** Resolves when the disruption controller has counted `expected` pods, `healthy` of them ready, or has failed to. */
  async budget(
    name: string,
    spec: Json,
    counted?: { expected: number; healthy: number } | 'uncountable',
  ): Promise<void> {
    const path = `/apis/policy/v1/namespaces/${this.name}/poddisruptionbudgets`;
    await this.api.create(path, { metadata: { name }, spec });
    if (counted === undefined) return;
    await eventually(
      `${name} is counted`,
      async () => {
        const { status } = (await this.api.get(`${path}/${name}`)) as { status?: Json };
        const { observedGeneration, expectedPods, currentHealthy, conditions } = status ?? {};
        if (counted === 'uncountable') return JSON.stringify(conditions ?? []).includes('SyncFailed');
        return observedGeneration === 1 && expectedPods === counted.expected && currentHealthy === counted.healthy;
      },
      DEADLINE_MS,
    );
  }

  /** What became of the pods that the test made: `gone`, `ending`, or `there`. */
  async fates(): Promise<Record<string, string>> {
    const { items } = (await this.api.get(this.pods)) as { items: { metadata: Json }[] };
    const left = new Map(items.map(({ metadata }) => [metadata['uid'], metadata]));
    return Object.fromEntries(
      Array.from(this.made, ([name, uid]) => {
        const metadata = left.get(uid);
        if (metadata === undefined) return [name, 'gone'];
        return [name, metadata['deletionTimestamp'] === undefined ? 'there' : 'ending'];
      }),
    );
  }
}

export function ownerOf(kind: string, name: string, apiVersion = 'apps/v1'): Json {
  return { apiVersion, kind, name, uid: `uid-of-${name}`, controller: true };
}
