import { systemClock } from '../../agent/clock.ts';
import { connectKubernetes } from '../../agent/cluster/connect.ts';
import type { Note } from '../../agent/cluster/events.ts';
import { OwnNode } from '../../agent/cluster/node.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { defaultConfig } from '../../agent/config/load.ts';
import { ImageLists } from '../../agent/duties/eraser/imagelists.ts';
import type { ImageListRequest } from '../../agent/duties/eraser/listrun.ts';
import type { Report } from '../../agent/images/report.ts';
import { createLogger } from '../../agent/observe/log.ts';
import { imageListPolicy } from '../../agent/policies.ts';
import { EmulatedNode } from '../emulators/node.ts';
import type { Clients } from './clients.ts';
import { imageListCrd } from './imagelistcrd.ts';

const namespace = 'nodetender';
const DAY_MS = 86_400_000;
export const imageListPath = '/apis/eraser.sh/v1/imagelists/imagelist';

/** Gives the cluster our CRD and the agent's namespace. */
export async function installEraserObjects({ api }: Clients): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await api.create(path, imageListCrd);
  await api.create('/api/v1/namespaces', { metadata: { name: namespace } });
  for (;;) {
    const { status } = await api.send('GET', '/apis/eraser.sh/v1/imagelists');
    if (status === 200) return;
  }
}

export interface ImageListAgentOptions {
  readonly timeoutMs?: number;
  readonly clean?: (request: ImageListRequest) => Promise<Report | undefined>;
}

/** The part of an agent that cares for ImageLists, on a Node without a kubelet and an emulated runtime. */
export class ImageListAgent {
  readonly name: string;
  readonly node: EmulatedNode;
  readonly notes: Note[] = [];
  readonly requests: ImageListRequest[] = [];
  /** When the last of them came, by performance.now(). */
  askedAtMs = 0;
  readonly #port: KubernetesPort;
  readonly #stop = new AbortController();
  #ended: Promise<unknown> = Promise.resolve();

  private constructor(name: string, port: KubernetesPort, node: EmulatedNode) {
    this.name = name;
    this.#port = port;
    this.node = node;
  }

  /** `kubeconfig` is a file's path. The node's runtime has these images, unused for ten days. */
  static async start(
    kubeconfig: string,
    name: string,
    images: readonly string[],
    options: ImageListAgentOptions = {},
  ): Promise<ImageListAgent> {
    const connection = { path: kubeconfig, userAgent: 'nodetender/test', clock: systemClock, random: Math.random };
    const { port } = await connectKubernetes(connection);
    const agent = new ImageListAgent(name, port, await EmulatedNode.create());
    for (const tag of images) agent.node.store.addImage({ tags: [tag], sizeBytes: 1_000_000 });
    await agent.node.age(10 * DAY_MS);
    agent.#run(options);
    return agent;
  }

  /** As a SIGTERM does; the Lease is given back where it is held. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    this.#port.close();
  }

  /** As a SIGKILL does: the connection is gone before anything can be said. */
  async kill(): Promise<void> {
    this.#port.close();
    this.#stop.abort();
    await this.#ended;
  }

  images(): string[] {
    return [...this.node.store.images.values()].flatMap(({ tags }) => [...tags]).sort();
  }

  #run({ timeoutMs = 900_000, clean }: ImageListAgentOptions): void {
    const log = createLogger({ level: 'error' });
    const shared = { port: this.#port, clock: systemClock, random: Math.random };
    const own = new OwnNode(this.name, { ...shared, onChange: () => lists.nodeChanged() });
    const lists = new ImageLists({
      ...shared,
      nodeName: this.name,
      namespace,
      node: () => own.current,
      settings: () => ({ filter: defaultConfig.cluster.nodeFilter, timeoutMs }),
      clean: async (request) => {
        this.requests.push(request);
        this.askedAtMs = performance.now();
        return await (clean ?? ((wish) => this.#clean(wish)))(request);
      },
      tell: (note) => this.notes.push(note),
      log,
    });
    const { signal } = this.#stop;
    this.#ended = Promise.all([own.run(signal), lists.run(signal)]);
  }

  async #clean({ rules, isWanted }: ImageListRequest): Promise<Report> {
    return await this.node.clean(imageListPolicy(defaultConfig.images, isWanted() ? rules : []));
  }
}
