import { setTimeout as delay } from 'node:timers/promises';

import { systemClock } from '../../agent/clock.ts';
import { type PodObject, pods } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { Watched } from '../../agent/cluster/watch.ts';
import type { Api } from './api.ts';

/** Annotations of a pod by which a test tells its node what to do with it. */
export const standInAnnotations = {
  /** It is neither started nor made ready: the test writes its status. */
  byHand: 'test.nodetender.dev/by-hand',
  /** Milliseconds from the beginning of its deletion to its end; `never`. */
  endsAfterMs: 'test.nodetender.dev/ends-after-ms',
} as const;

export interface StandInOptions {
  readonly port: KubernetesPort;
  readonly api: Api;
  /** From the binding of a pod until it is ready. */
  readonly startMs?: number;
  /** From the beginning of a pod's deletion until it is gone. */
  readonly endMs?: number;
}

interface Seen {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly bound: boolean;
  readonly started: boolean;
  readonly ending: boolean;
  readonly endMs: number | undefined;
}

/** Plays the scheduler and the kubelets of a cluster without nodes: pods are bound, become ready, and end when deleted. */
export class StandInNodes {
  /** Where pods without a node go, as the scheduler would say at that moment; undefined: they stay pending. */
  target: string | (() => string | undefined) | undefined;
  readonly #options: StandInOptions;
  readonly #watched: Watched<PodObject, Seen>;
  readonly #stop = new AbortController();
  readonly #begun = new Set<string>();
  #running: Promise<void> | undefined;

  constructor(options: StandInOptions) {
    this.#options = options;
    this.#watched = new Watched({
      port: options.port,
      resource: pods,
      scope: {},
      project: (pod: PodObject): Seen => this.#seen(pod),
      onChange: (change) => {
        if (change.type !== 'deleted') this.#care(change.value);
      },
      clock: systemClock,
      random: Math.random,
    });
  }

  async start(): Promise<void> {
    this.#running = this.#watched.run(this.#stop.signal);
    await this.#watched.whenSynced();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #seen({ metadata, spec, status }: PodObject): Seen {
    const { annotations = {}, deletionTimestamp, namespace = '', name, uid } = metadata;
    const asked = annotations[standInAnnotations.endsAfterMs];
    const endMs = asked === 'never' ? undefined : Number(asked ?? this.#options.endMs ?? 0);
    return {
      namespace,
      name,
      uid,
      bound: spec?.nodeName !== undefined,
      started: annotations[standInAnnotations.byHand] !== undefined || status?.phase !== 'Pending',
      ending: deletionTimestamp !== undefined,
      endMs,
    };
  }

  #care(pod: Seen): void {
    const { startMs = 0 } = this.#options;
    const target = typeof this.target === 'function' ? this.target() : this.target;
    if (pod.ending) {
      if (pod.endMs !== undefined) this.#once(`end ${pod.uid}`, pod.endMs, () => this.#end(pod));
    } else if (!pod.bound) {
      if (target !== undefined) this.#once(`bind ${pod.uid}`, 0, () => this.#bind(pod, target));
    } else if (!pod.started) {
      this.#once(`start ${pod.uid}`, startMs, () => this.#makeReady(pod));
    }
  }

  #once(what: string, afterMs: number, work: () => Promise<unknown>): void {
    if (this.#begun.has(what)) return;
    this.#begun.add(what);
    const working = async (): Promise<void> => {
      await delay(afterMs, undefined, { signal: this.#stop.signal });
      await work();
    };
    // Whatever fails has happened otherwise: the pod is gone, or the test is over.
    working().catch(() => undefined);
  }

  async #end({ namespace, name, uid }: Seen): Promise<void> {
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#options.api.send('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, options);
  }

  async #bind({ namespace, name }: Seen, node: string): Promise<void> {
    const body = { metadata: { name }, target: { apiVersion: 'v1', kind: 'Node', name: node } };
    await this.#options.api.create(`/api/v1/namespaces/${namespace}/pods/${name}/binding`, body);
  }

  async #makeReady({ namespace, name }: Seen): Promise<void> {
    const conditions = [{ type: 'Ready', status: 'True' }];
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    await this.#options.api.merge(path, { status: { phase: 'Running', conditions } });
  }
}
