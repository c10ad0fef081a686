import type { Clock } from '../../../agent/clock.ts';
import { OwnNode } from '../../../agent/cluster/node.ts';
import { type NodeObject, nodes } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import type { Config } from '../../../agent/config/load.ts';
import { RebootDuty } from '../../../agent/duties/reboot/reboot.ts';
import { isNodetenderError } from '../../../agent/errors.ts';
import type { HostPort } from '../../../agent/host/port.ts';
import { EmulatedHost } from '../../emulators/host/host.ts';
import { inMemoryHostPort } from '../../emulators/host/in-memory-port.ts';
import { EmulatedNeed } from '../../emulators/host/need.ts';
import type { Chance } from '../random.ts';
import { HostClock } from './hostclock.ts';
import type { Life, Network } from './network.ts';
import { listening } from './listeninglog.ts';

export interface MachineOptions {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly config: () => Config['reboot'];
  /** What an agent's requests go through, the losses of the network aside. */
  readonly port: (life: Life) => KubernetesPort;
  readonly network: Network;
  /** The kubelet's and the test's own. */
  readonly admin: KubernetesPort;
  readonly paused: () => string | false | undefined;
  /** Between an agent and what it is given: mistakes that are planted. */
  readonly distort?: Distortion | undefined;
  readonly onEvent: (machine: Machine, reason: string, note: string) => void;
  readonly onStep: (machine: Machine) => void;
  readonly onOrder: (machine: Machine) => void;
  /** Something that no outside can explain. */
  readonly onDefect: (machine: Machine, what: string) => void;
  readonly clock: Clock;
  readonly chance: Chance;
}

export interface Distortion {
  readonly port?: (port: KubernetesPort, machine: Machine) => KubernetesPort;
  readonly host?: (host: HostPort, machine: Machine) => HostPort;
}

const rebootableBy = { shutdownMs: 5_000, bootMs: 40_000 };
/** Of the node controller, for a kubelet that has gone silent. */
const missedAfterMs = 40_000;
const slowestKubeletMs = 10_000;
/** Changed or not. */
const kubeletReportsEveryMs = 5 * 60_000;
const longestAwayMs = 30_000;

/** A machine with a kubelet, and the agent's reboot duty on it: its lives end with the machine's, or when they are told to. */
export class Machine {
  readonly options: MachineOptions;
  readonly clock: HostClock;
  readonly host: EmulatedHost;
  readonly need: EmulatedNeed;
  /** Until then the kubelet finds itself not well. Monotonic. */
  sickUntilMs = 0;
  /** Somebody keeps the agent from running, until `start` is called with their consent. */
  isStopped = false;
  aliveSinceMs: number | undefined;
  #life: (Life & { readonly over: AbortController }) | undefined;

  constructor(options: MachineOptions) {
    this.options = options;
    const { clock, chance, name } = options;
    this.clock = new HostClock(clock, chance.between(-120_000, 120_000));
    let boots = 0;
    this.host = new EmulatedHost({
      clock: this.clock,
      ...rebootableBy,
      newBootId: () => `${name}-boot-${(boots += 1)}`,
    });
    this.need = new EmulatedNeed(this.host);
    void this.#reportNowAndThen();
    this.host.subscribe((state) => void (state === 'down' ? this.#wentDown() : this.#cameUp()));
  }

  get name(): string {
    return this.options.name;
  }

  get network(): Network {
    return this.options.network;
  }

  async register(): Promise<void> {
    const { admin, name, labels } = this.options;
    try {
      await admin.create(nodes, undefined, { metadata: { name, labels } });
    } catch (error) {
      if (!isNodetenderError(error, 'cluster/already-exists')) throw error;
    }
    await this.report();
    this.start();
  }

  async node(): Promise<NodeObject | undefined> {
    try {
      return await this.options.admin.get(nodes, { name: this.name });
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      throw error;
    }
  }

  start(): void {
    if (this.host.state === 'down' || this.#life !== undefined || this.isStopped) return;
    const over = new AbortController();
    const life = { signal: over.signal, over, die: () => void this.#dieForAWhile(life) };
    this.#life = life;
    this.aliveSinceMs = this.clock.monotonicMs();
    const { name, namespace, config, port, network, paused, distort, onEvent, onDefect, chance } = this.options;
    const clean = network.port(port(life), life);
    const own = distort?.port?.(clean, this) ?? clean;
    const log = listening((what) => onDefect(this, what));
    const { clock } = this;
    const view = new OwnNode(name, { port: own, clock, random: chance.next, onChange: () => duty.look() });
    const duty = new RebootDuty({
      port: own,
      nodeName: name,
      namespace,
      host: this.#hostPort(life),
      need: this.need,
      config,
      node: () => view.current,
      paused,
      event: ({ reason, note }) => {
        if (!life.signal.aborted) onEvent(this, reason, note);
      },
      notify: () => undefined,
      notesSent: async () => undefined,
      watcher: {
        stepped: () => this.options.onStep(this),
        drainEnded: () => undefined,
        evictionAnswered: () => undefined,
        rebootPossible: () => undefined,
        slotsSeen: () => undefined,
      },
      clock,
      random: chance.next,
      log,
    });
    void view.run(life.signal);
    duty.work(life.signal).catch((error: unknown) => onDefect(this, `the agent has ended: ${String(error)}`));
  }

  /** Without a word, as by SIGKILL. */
  crash(): void {
    // With a reason, or an error with a stack is made for each.
    this.#life?.over.abort('killed');
    this.#life = undefined;
    this.aliveSinceMs = undefined;
  }

  /** The kubelet says how the node is. */
  async report(): Promise<void> {
    const { admin, name } = this.options;
    const isUp = this.host.state !== 'down';
    const isWell = isUp && this.clock.monotonicMs() >= this.sickUntilMs;
    const condition = {
      type: 'Ready',
      status: isUp ? (isWell ? 'True' : 'False') : 'Unknown',
      lastHeartbeatTime: new Date(this.clock.nowMs()).toISOString(),
    };
    const status = { conditions: [condition], ...(isUp ? { nodeInfo: { bootID: this.host.boot.bootId } } : {}) };
    try {
      await admin.patch(nodes, { name }, { type: 'strategic', body: { status }, subresource: 'status' });
    } catch (error) {
      // Somebody has deleted the Node.
      if (!isNodetenderError(error, 'cluster/not-found')) throw error;
    }
  }

  async #reportNowAndThen(): Promise<void> {
    const { clock, chance } = this.options;
    await clock.sleep(chance.between(0, kubeletReportsEveryMs));
    for (;;) {
      if (this.host.state !== 'down') await this.report();
      await clock.sleep(kubeletReportsEveryMs);
    }
  }

  async #wentDown(): Promise<void> {
    this.crash();
    const { boots } = this.host;
    const { length } = boots;
    await this.clock.sleep(missedAfterMs);
    if (this.host.state === 'down' && boots.length === length) await this.report();
  }

  async #cameUp(): Promise<void> {
    const { chance } = this.options;
    const { bootId } = this.host.boot;
    const isAgentFirst = chance.hits(0.5);
    if (isAgentFirst) this.start();
    await this.clock.sleep(chance.between(0, slowestKubeletMs));
    if (!this.#isUpSince(bootId)) return;
    await this.report();
    this.start();
    const sickMs = this.sickUntilMs - this.clock.monotonicMs();
    if (sickMs <= 0) return;
    await this.clock.sleep(sickMs);
    if (this.#isUpSince(bootId)) await this.report();
  }

  #isUpSince(bootId: string): boolean {
    return this.host.boot.bootId === bootId && this.host.state !== 'down';
  }

  async #dieForAWhile(life: Life): Promise<void> {
    if (this.#life !== life) return;
    this.crash();
    await this.clock.sleep(this.options.chance.between(1, longestAwayMs));
    this.start();
  }

  #hostPort(life: Life): HostPort {
    const { network, distort, onOrder } = this.options;
    const host = inMemoryHostPort(this.host);
    const carried: HostPort = {
      boot: async () => await host.boot(),
      canReboot: async (signal) => await network.beside(life, 'canReboot', () => host.canReboot(signal)),
      inhibitors: async (signal) => await network.beside(life, 'inhibitors', () => host.inhibitors(signal)),
      preparingForShutdown: async (signal) =>
        await network.beside(life, 'preparingForShutdown', () => host.preparingForShutdown(signal)),
      reboot: async (signal) =>
        await network.beside(life, 'reboot', async () => {
          onOrder(this);
          await host.reboot(signal);
        }),
    };
    return distort?.host?.(carried, this) ?? carried;
  }
}
