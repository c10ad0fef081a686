import { setTimeout as delay } from 'node:timers/promises';

import { decodeLastClean } from '../../agent/cluster/records.ts';
import { ClusterNode } from './clusternode.ts';
import { eventually } from './eventually.ts';
import { FaultProxy } from './faultproxy.ts';
import type { ControlPlane } from './kubernetes.ts';
import type { Protocol } from './scriptedserver.ts';
import { ServiceAccountMount } from './serviceaccount.ts';

export interface StrickenNodeOptions {
  readonly plane: ControlPlane;
  /** The agent's. */
  readonly namespace: string;
  readonly account: string;
  readonly name: string;
  readonly protocol: Protocol;
}

/** What the node and its agent have to show for themselves. */
export interface Account {
  /** Values of `nodetender.dev/clean` that a run was begun for, in order. */
  readonly requests: readonly unknown[];
  /** How many runs were begun for annotations and for ImageLists. */
  readonly runs: { readonly annotation: number; readonly imagelist: number };
  /** Images that the runtime has removed. */
  readonly removed: readonly string[];
  readonly isRunning: boolean;
}

/** More than any suite asks for. */
const images = 12;
/** A run ends so long after it began, so that what the agent says of it falls into the fault. */
const removalMs = 700;
const pollMs = 300;
const outageDeadlineMs = 150_000;

/**
 * A Node whose agent runs as in a pod, behind a proxy that misbehaves. Each request frees an image of its own, so that the
 * emulated runtime shows which were obeyed, and how often.
 */
export class StrickenNode {
  readonly name: string;
  readonly proxy: FaultProxy;
  readonly mount: ServiceAccountMount;
  readonly node: ClusterNode;
  readonly asked: string[] = [];
  readonly #options: StrickenNodeOptions;
  readonly #containers: string[];

  private constructor(options: StrickenNodeOptions, proxy: FaultProxy, mount: ServiceAccountMount, node: ClusterNode) {
    this.#options = options;
    this.proxy = proxy;
    this.mount = mount;
    this.node = node;
    this.name = node.name;
    const tags = Array.from({ length: images }, (_, index) => imageOf(index + 1));
    for (const tag of tags) node.store.addImage({ tags: [tag] });
    this.#containers = tags.map((image) => node.store.createContainer({ image }));
    node.server.faults.add({ methods: ['RemoveImage'], latencyMs: removalMs });
  }

  static async create(options: StrickenNodeOptions): Promise<StrickenNode> {
    const { plane, namespace, account, name, protocol } = options;
    const { clients } = plane;
    const certificateAuthority = clients.authority.certificate;
    const proxy = await FaultProxy.start({ url: clients.server, certificateAuthority }, protocol);
    const mount = await ServiceAccountMount.create({
      token: await plane.serviceAccountToken({ namespace, name: account }),
      'ca.crt': `${proxy.certificateAuthority}${certificateAuthority}`,
      namespace,
    });
    const node = await ClusterNode.create({
      clients,
      name,
      access: { serviceAccount: mount, port: proxy.port },
      images: { removeUnused: false, remove: ['registry.example/asked:*'] },
    });
    return new StrickenNode(options, proxy, mount, node);
  }

  /** Resolves when the agent knows its cluster. */
  async startAgent(): Promise<void> {
    await this.node.addUnused();
    const agent = await this.node.startAgent();
    await agent.logged('cluster is known');
  }

  /** Frees the next image and asks for a run. Keeps asking while the API server does not take it. */
  async ask(): Promise<string> {
    const value = `${this.name}-${this.asked.length + 1}`;
    this.node.store.removeContainer(this.#containers[this.asked.length] ?? '');
    this.asked.push(value);
    const annotate = async (): Promise<boolean> => {
      await this.node.annotate({ 'nodetender.dev/clean': value });
      return true;
    };
    await eventually(`the API server takes ${value}`, annotate, outageDeadlineMs);
    return value;
  }

  /** As `ask`, and waits until the run removes the image. */
  async askAndBegin(): Promise<void> {
    const value = await this.ask();
    const isRemoving = (): boolean => this.node.removeCalls().length >= this.asked.length;
    await eventually(`the run for ${value} removes an image`, isRemoving, outageDeadlineMs);
  }

  /** The last value asked for is done, and the Node says so. */
  async untilDone(): Promise<void> {
    const value = this.asked.at(-1);
    const startedMs = performance.now();
    for (;;) {
      const text = await this.node.annotation('nodetender.dev/last-clean').catch(() => undefined);
      const result = decodeLastClean(text ?? '');
      if (result.ok && result.value.request === value) return;
      if (performance.now() - startedMs > outageDeadlineMs) {
        throw new Error(`${value} is not done within ${outageDeadlineMs} ms:\n${this.node.agent.tail()}`);
      }
      await delay(pollMs);
    }
  }

  /** As the kubelet does before a token ends. */
  async rotateToken(): Promise<void> {
    const { plane, namespace, account } = this.#options;
    await this.mount.rotate({ token: await plane.serviceAccountToken({ namespace, name: account }) });
  }

  /** As the kubelet does when the cluster's authority has changed. */
  async rotateAuthority(): Promise<void> {
    const { certificate } = this.#options.plane.clients.authority;
    await this.mount.rotate({ 'ca.crt': `${this.proxy.certificateAuthority}${certificate}` });
  }

  account(): Account {
    const { records, isRunning } = this.node.agent;
    return {
      requests: records.filter(({ msg }) => msg === 'a request is accepted').map(({ request }) => request),
      runs: { annotation: this.#began('annotation'), imagelist: this.#began('imagelist') },
      // Sorted: a run may take along what the next was asked for.
      removed: this.node.store.removals.map(({ names }) => names.join(' ')).toSorted(),
      isRunning,
    };
  }

  /** What the account is when nothing was lost and nothing doubled. */
  expectedAccount(imageLists: number): Account {
    return {
      requests: this.asked,
      runs: { annotation: this.asked.length, imagelist: imageLists },
      removed: this.asked.map((_, index) => imageOf(index + 1)).toSorted(),
      isRunning: true,
    };
  }

  async dispose(): Promise<void> {
    await this.node.dispose();
    await this.proxy.close();
    await this.mount.dispose();
  }

  #began(trigger: string): number {
    return this.node.agent.records.filter((record) => record.msg === 'run began' && record['trigger'] === trigger)
      .length;
  }
}

function imageOf(number: number): string {
  return `registry.example/asked:${number}`;
}
