import { existsSync } from 'node:fs';

import type { Json } from './api.ts';
import type { ControlPlane } from './kubernetes.ts';
import type { RebootingNode } from './rebootingnode.ts';

const daemonSet = '/apis/apps/v1/namespaces/kube-system/daemonsets/kured';
const lockAnnotation = 'weave.works/kured-node-lock';

/** What a look of kured came to: it did not want to, somebody else has the lock, the drain failed, or the node goes down. */
export type KuredLook = 'not wanted' | 'not its turn' | 'not drained' | 'reboots';

/** As kured writes it into the annotation; whoever writes it by hand may leave things out. */
interface Lock {
  readonly nodeID: string;
  readonly metadata?: { readonly unschedulable: boolean };
  readonly created?: string;
  /** Nanoseconds; 0: for ever. */
  readonly TTL?: number;
}

export interface KuredOptions {
  /** Its --lock-ttl; 0: for ever. */
  readonly lockTtlMs?: number;
  /** Its --drain-timeout. */
  readonly drainTimeoutSeconds?: number;
  /** Its --force-reboot. */
  readonly forceReboot?: boolean;
}

/** Gives the cluster kured's DaemonSet, on which its lock is. */
export async function installKured({ api }: ControlPlane): Promise<void> {
  const labels = { name: 'kured' };
  const container = { name: 'kured', image: 'registry.example/kured:1' };
  await api.create('/apis/apps/v1/namespaces/kube-system/daemonsets', {
    metadata: { name: 'kured' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  });
}

/** Who has kured's lock; undefined: nobody. */
export async function holderOfKuredsLock(plane: ControlPlane): Promise<string | undefined> {
  return lockOf(await plane.api.get(daemonSet))?.nodeID;
}

/**
 * Plays kured on one node, as its source has it (pkg/daemonsetlock and cmd/kured of 1.x): what it does to its lock, to the Node and to the
 * machine. It drains by kubectl, whose library kured has built in. It looks when it is told to, not by a period.
 */
export class KuredPod {
  readonly #plane: ControlPlane;
  readonly #node: RebootingNode;
  readonly #options: KuredOptions;

  constructor(plane: ControlPlane, node: RebootingNode, options: KuredOptions = {}) {
    this.#plane = plane;
    this.#node = node;
    this.#options = options;
  }

  /** What it does once in each period. */
  async look(): Promise<KuredLook> {
    const { name, host } = this.#node;
    const { forceReboot = false } = this.#options;
    if (!existsSync(host.sentinelPath)) return 'not wanted';
    if (!(await this.acquire())) return 'not its turn';
    if (!(await this.#drain()) && !forceReboot) {
      await this.#release();
      await this.#plane.kubectl('uncordon', name);
      return 'not drained';
    }
    host.machine.askReboot();
    return 'reboots';
  }

  /** What it does first in its life: where it has the lock, it has rebooted. */
  async start(): Promise<void> {
    const lock = lockOf(await this.#plane.api.get(daemonSet));
    if (lock === undefined || lock.nodeID !== this.#node.name || this.#hasExpired(lock)) return;
    if (lock.metadata?.unschedulable !== true) await this.#plane.kubectl('uncordon', this.#node.name);
    await this.#release();
  }

  /** Whether it has the lock now; it remembers in it whether the node was cordoned before. */
  async acquire(): Promise<boolean> {
    const { api } = this.#plane;
    const { spec = {} } = (await api.get(`/api/v1/nodes/${this.#node.name}`)) as { spec?: { unschedulable?: boolean } };
    const object = await api.get(daemonSet);
    const lock = lockOf(object);
    if (lock !== undefined && !this.#hasExpired(lock)) return lock.nodeID === this.#node.name;
    const { lockTtlMs = 0 } = this.#options;
    const taken: Lock = {
      nodeID: this.#node.name,
      metadata: { unschedulable: spec.unschedulable ?? false },
      created: new Date().toISOString(),
      TTL: lockTtlMs * 1_000_000,
    };
    // With the resourceVersion that was read: who is late is refused.
    const answer = await api.send('PUT', daemonSet, annotated(object, JSON.stringify(taken)));
    return answer.status === 200;
  }

  async #release(): Promise<void> {
    await this.#plane.api.merge(daemonSet, { metadata: { annotations: { [lockAnnotation]: null } } });
  }

  async #drain(): Promise<boolean> {
    const { drainTimeoutSeconds = 0 } = this.#options;
    const flags = ['--force', '--ignore-daemonsets', '--delete-emptydir-data', `--timeout=${drainTimeoutSeconds}s`];
    try {
      await this.#plane.kubectl('drain', this.#node.name, ...flags);
      return true;
    } catch {
      return false;
    }
  }

  /** By its own time to live; where it has none, newer versions go by what they are told. */
  #hasExpired({ created = '0001-01-01T00:00:00Z', TTL = 0 }: Lock): boolean {
    const ttlMs = TTL === 0 ? (this.#options.lockTtlMs ?? 0) : TTL / 1_000_000;
    return ttlMs > 0 && Date.now() - Date.parse(created) >= ttlMs;
  }
}

function lockOf({ metadata }: Json): Lock | undefined {
  const { annotations = {} } = metadata as { annotations?: Record<string, string> };
  const text = annotations[lockAnnotation];
  return text === undefined ? undefined : (JSON.parse(text) as Lock);
}

function annotated(object: Json, value: string): Json {
  const metadata = object['metadata'] as { annotations?: Record<string, string> };
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, [lockAnnotation]: value } } };
}
