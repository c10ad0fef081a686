import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { AgentProcess } from './agentprocess.ts';
import type { Clients } from './clients.ts';
import type { Generation } from './components.ts';
import { Containerd } from './containerd.ts';
import { asPulled, ImageBatch, importPause, type MadeImage } from './images.ts';
import { MemberNode } from './membernode.ts';
import { addContainer, runPod } from './pods.ts';
import { readTruth, truthOf } from './truth.ts';
import { writeWatchedHistory } from './watchedhistory.ts';

export interface ContainerdNodeOptions {
  readonly clients: Clients;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly generation: Generation;
  /** Path of the agent's kubeconfig. */
  readonly kubeconfig: string;
  /** The `cluster` section of the agent's configuration. */
  readonly cluster: object;
}

const DAY_MS = 86_400_000;

/** A Node in a real cluster with a real containerd, and an agent in a process of its own. */
export class ContainerdNode extends MemberNode {
  readonly #options: ContainerdNodeOptions;
  readonly #containerd: Containerd;
  readonly #pause: MadeImage;
  readonly #stateDirectory: string;
  /** Every image ever made here, by the tag that it was made as. */
  readonly #made = new Map<string, MadeImage>();
  #agent: AgentProcess | undefined;

  private constructor(
    options: ContainerdNodeOptions,
    containerd: Containerd,
    pause: MadeImage,
    stateDirectory: string,
  ) {
    super(options.clients, options.name);
    this.#options = options;
    this.#containerd = containerd;
    this.#pause = pause;
    this.#stateDirectory = stateDirectory;
  }

  /** The Node, Ready for an hour, and its containerd; images and agent come later. */
  static async launch(options: ContainerdNodeOptions): Promise<ContainerdNode> {
    const containerd = await Containerd.launch(options.generation, { storage: 'memory' });
    const stateDirectory = await mkdtemp(join(tmpdir(), 'nodetender-state-'));
    try {
      const node = new ContainerdNode(options, containerd, await importPause(containerd), stateDirectory);
      await node.register(options.labels);
      return node;
    } catch (error) {
      await containerd.destroy();
      await rm(stateDirectory, { recursive: true });
      throw error;
    }
  }

  /** Images as the kubelet pulls them. */
  async import(...tags: readonly string[]): Promise<void> {
    const batch = new ImageBatch(this.#containerd);
    for (const tag of tags) this.#made.set(tag, batch.add({ names: asPulled(tag) }));
    await batch.import();
  }

  /** Gives it these images beside those that are there, all of them unused for a day, and a new life of the agent. */
  async startAgentWith(...tags: readonly string[]): Promise<void> {
    await this.#agent?.stop();
    await this.import(...tags);
    await rm(this.#stateDirectory, { recursive: true });
    await writeWatchedHistory(this.#stateDirectory, [this.#pause, ...this.#made.values()], Date.now() - DAY_MS);
    const { kubeconfig, name: nodeName, cluster: settings } = this.#options;
    this.#agent = await AgentProcess.start({
      endpoint: this.#containerd.endpoint,
      stateDirectory: this.#stateDirectory,
      images: { minUnused: '0s', schedule: { every: '366d' }, pace: 'fast' },
      cluster: { kubeconfig, nodeName, settings },
    });
    await this.#agent.logged('cluster is known');
  }

  /** A pod with a container made of this image, as the runtime knows it. */
  async runContainer(tag: string): Promise<void> {
    const pod = await runPod(this.#containerd, 'running');
    await addContainer(this.#containerd, pod, { image: this.#made.get(tag)?.id ?? tag, state: 'running' });
  }

  /**
   * The tags of the images that are there, sorted. Throws where containerd holds less of one of them than it was made of,
   * or anything of one that is gone.
   */
  async held(): Promise<string[]> {
    const truth = await readTruth(this.#containerd);
    const held = [...this.#made].filter(([, { id }]) => truth.records.has(id));
    const whole = truthOf([this.#pause, ...held.map(([, image]) => image)], truth.containers);
    if (!isDeepStrictEqual(truth, whole)) throw new Error(`${this.name} holds parts of images`);
    return held.map(([tag]) => tag).toSorted();
  }

  async dispose(): Promise<void> {
    await this.#agent?.kill();
    await this.#containerd.destroy();
    await rm(this.#stateDirectory, { recursive: true, force: true });
  }
}
