import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { liveThroughPast } from '../emulators/runtime/past.ts';
import { RuntimeServer } from '../emulators/runtime/server.ts';
import { RuntimeStore } from '../emulators/runtime/store.ts';
import { AgentProcess, type ClusterAccess } from './agentprocess.ts';
import type { Clients } from './clients.ts';
import { MemberNode } from './membernode.ts';
import type { RebootingHost } from './rebootinghost.ts';

export interface ClusterNodeOptions {
  readonly clients: Clients;
  readonly name: string;
  /** The agent's; an administrator's kubeconfig where left out. */
  readonly access?: ClusterAccess;
  /** The `cluster` section of the agent's configuration. */
  readonly cluster?: object;
  /** The machine that its agent may reboot, and the `reboot` section of its configuration. */
  readonly reboots?: { readonly host: RebootingHost; readonly settings: object };
  readonly labels?: Readonly<Record<string, string>>;
  /** Where its agent serves its metrics. */
  readonly httpAddress?: string;
  /** Beside those that make an unused image of last week go at once. */
  readonly images?: object;
}

/** A Node in a real cluster whose container runtime is emulated, and an agent in a process of its own. */
export class ClusterNode extends MemberNode {
  readonly store = new RuntimeStore();
  readonly server: RuntimeServer;
  readonly #options: ClusterNodeOptions;
  readonly #folder: string;
  #agent: AgentProcess | undefined;

  private constructor(options: ClusterNodeOptions, folder: string) {
    super(options.clients, options.name);
    this.#options = options;
    this.#folder = folder;
    this.server = new RuntimeServer({ store: this.store, socketPath: join(folder, 'cri.sock') });
  }

  /** The Node, Ready for an hour, and the runtime; images and agent come later. */
  static async create(options: ClusterNodeOptions): Promise<ClusterNode> {
    const node = new ClusterNode(options, await mkdtemp(join(tmpdir(), 'nodetender-')));
    await node.server.start();
    await node.register(options.labels);
    return node;
  }

  get agent(): AgentProcess {
    if (this.#agent === undefined) throw new Error('the agent was not started');
    return this.#agent;
  }

  /** Images that nothing has used for days. */
  async addUnused(...tags: string[]): Promise<void> {
    for (const tag of tags) this.store.addImage({ tags: [tag] });
    await liveThroughPast(this.store, { directory: this.#folder, days: 3, nowMs: Date.now() });
  }

  async startAgent(): Promise<AgentProcess> {
    const { clients, access, cluster, reboots, images, name, httpAddress } = this.#options;
    this.#agent = await AgentProcess.start({
      endpoint: this.server.endpoint,
      stateDirectory: this.#folder,
      images: { minUnused: '0s', schedule: { every: '366d' }, pace: 'fast', ...images },
      cluster: {
        ...(access ?? { kubeconfig: await clients.kubeconfigFile('agent') }),
        nodeName: name,
        ...(cluster === undefined ? {} : { settings: cluster }),
      },
      ...(reboots === undefined ? {} : { reboots }),
      ...(httpAddress === undefined ? {} : { httpAddress }),
    });
    return this.#agent;
  }

  /** First tags of what is there. */
  images(): string[] {
    return [...this.store.images.values()].map(({ tags, id }) => tags[0] ?? id).toSorted();
  }

  removeCalls(): string[] {
    return this.server.faults.calls.filter(({ method }) => method === 'RemoveImage').map(({ argument }) => argument);
  }

  async dispose(): Promise<void> {
    await this.#agent?.kill();
    await this.server.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
