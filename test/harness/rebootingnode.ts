import type { ClusterAccess } from './agentprocess.ts';
import type { Clients } from './clients.ts';
import { ClusterNode } from './clusternode.ts';
import { RebootingHost } from './rebootinghost.ts';

export interface RebootingNodeOptions {
  readonly clients: Clients;
  readonly name: string;
  readonly access: ClusterAccess;
  /** The `reboot` section, beside what makes a reboot a matter of seconds. */
  readonly settings?: object;
  readonly labels?: Readonly<Record<string, string>>;
  /** Where its agent serves its metrics. */
  readonly httpAddress?: string;
}

/** No wait longer than a second; what has a lower limit stays above it. */
const atOnce = {
  enabled: true,
  minInterval: '0s',
  gates: { checkEvery: '10s' },
  health: { soak: '1s' },
};

/**
 * A Node whose agent may reboot its machine. When that goes down the agent is killed; when it is up again the agent is started
 * anew, and the kubelet, played here, reports the new boot.
 */
export class RebootingNode {
  readonly host: RebootingHost;
  readonly node: ClusterNode;
  /** What comes of a reboot, one step after the other. */
  #following: Promise<unknown> = Promise.resolve();
  #isOver = false;

  private constructor(host: RebootingHost, node: ClusterNode) {
    this.host = host;
    this.node = node;
    host.machine.subscribe((state) => void this.#follow(state));
  }

  /** The Node has reported its boot; the agent is yet to be started. */
  static async create({
    clients,
    name,
    access,
    settings = {},
    labels,
    httpAddress,
  }: RebootingNodeOptions): Promise<RebootingNode> {
    const host = await RebootingHost.start();
    try {
      const sentinel = { path: host.sentinelPath, settle: '0s', checkEvery: '10s' };
      const node = await ClusterNode.create({
        clients,
        name,
        access,
        cluster: { namespace: 'nodetender', settle: '0s' },
        reboots: { host, settings: { ...atOnce, sentinel, ...settings } },
        ...(labels === undefined ? {} : { labels }),
        ...(httpAddress === undefined ? {} : { httpAddress }),
      });
      await node.reportBoot(host.machine.boot.bootId);
      return new RebootingNode(host, node);
    } catch (error) {
      await host.dispose();
      throw error;
    }
  }

  get name(): string {
    return this.node.name;
  }

  /** How often it has rebooted. */
  get reboots(): number {
    return this.host.machine.boots.length - 1;
  }

  /** SIGKILL and a new life, in the same boot where the machine is up. */
  async restartAgent(): Promise<void> {
    await this.#inTurn(async () => {
      await this.node.agent.kill();
      if (this.host.machine.state !== 'down') await this.node.startAgent();
    });
  }

  async dispose(): Promise<void> {
    this.#isOver = true;
    await this.#following;
    await this.node.dispose();
    await this.host.dispose();
  }

  async #follow(state: 'down' | 'up'): Promise<void> {
    await this.#inTurn(async () => {
      if (state === 'down') {
        await this.node.agent.kill();
        await this.host.withdraw();
        await this.node.setReady(false);
      } else {
        await this.node.startAgent();
        await this.node.reportBoot(this.host.machine.boot.bootId);
        await this.node.setReady(true);
      }
    });
  }

  /** One thing after the other; what fails because the test is over has not failed. */
  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#following;
    const turn = (async () => {
      await before;
      if (!this.#isOver) await work();
    })();
    // The turn itself is awaited below, and throws there.
    this.#following = turn.catch(() => undefined);
    try {
      await turn;
    } catch (error) {
      if (!this.#isOver) throw error;
    }
  }
}
