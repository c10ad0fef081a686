import { OwnNode } from '../../../agent/cluster/node.ts';
import { type NodeObject, nodes, type PodObject, pods } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import type { Config } from '../../../agent/config/load.ts';
import { RebootDuty } from '../../../agent/duties/reboot/reboot.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import type { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedHost } from '../../emulators/host/host.ts';
import { inMemoryHostPort } from '../../emulators/host/in-memory-port.ts';
import { EmulatedNeed } from '../../emulators/host/need.ts';
import type { Chance } from '../random.ts';

export interface MachineOptions {
  readonly name: string;
  readonly namespace: string;
  readonly config: () => Config['reboot'];
  /** As the agent of one life has it, over a network that may lose things. */
  readonly port: (life: AbortSignal) => KubernetesPort;
  /** The kubelet's and the test's own. */
  readonly admin: KubernetesPort;
  readonly paused: () => string | false;
  readonly onEvent: (machine: Machine, reason: string, note: string) => void;
  readonly clock: VirtualClock;
  readonly chance: Chance;
}

const rebootableBy = { shutdownMs: 5_000, bootMs: 40_000 };

/** A machine with a kubelet, and the agent's reboot duty on it: its lives end with the machine's, or when they are told to. */
export class Machine {
  readonly options: MachineOptions;
  readonly host: EmulatedHost;
  readonly need: EmulatedNeed;
  #life: AbortController | undefined;

  constructor(options: MachineOptions) {
    this.options = options;
    const { clock, chance } = options;
    let boots = 0;
    this.host = new EmulatedHost({
      clock,
      ...rebootableBy,
      newBootId: () => `${options.name}-boot-${(boots += 1)}-${chance.between(0, 9999)}`,
    });
    this.need = new EmulatedNeed(this.host);
    this.host.subscribe((state) => {
      if (state === 'down') this.crash();
      else this.start();
      void this.#report();
    });
  }

  get name(): string {
    return this.options.name;
  }

  async register(): Promise<void> {
    const { admin, name } = this.options;
    await admin.create(nodes, undefined, { metadata: { name } });
    await this.#report();
    this.start();
  }

  async node(): Promise<NodeObject> {
    return await this.options.admin.get(nodes, { name: this.name });
  }

  /** A pod of a workload, which its eviction ends. */
  async runPod(name: string, labels: Record<string, string>): Promise<void> {
    const { admin, namespace } = this.options;
    await admin.create<PodObject>(pods, namespace, {
      metadata: { name, labels },
      spec: { nodeName: this.name, terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: 'web' }] },
    });
    const body = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
    await admin.patch(pods, { namespace, name }, { type: 'merge', body, subresource: 'status' });
  }

  start(): void {
    if (this.host.state !== 'up' || this.#life !== undefined) return;
    const life = new AbortController();
    this.#life = life;
    const { name, namespace, config, port, paused, onEvent, clock, chance } = this.options;
    const own = port(life.signal);
    const log = createLogger({ level: 'silent' as 'error' });
    const view = new OwnNode(name, { port: own, clock, random: chance.next, onChange: () => duty.look() });
    const duty = new RebootDuty({
      port: own,
      nodeName: name,
      namespace,
      host: inMemoryHostPort(this.host),
      need: this.need,
      config,
      node: () => view.current,
      paused,
      event: ({ reason, note }) => onEvent(this, reason, note),
      notify: () => undefined,
      clock,
      random: chance.next,
      log,
    });
    void view.run(life.signal);
    void duty.work(life.signal);
  }

  /** Without a word, as by SIGKILL. */
  crash(): void {
    this.#life?.abort();
    this.#life = undefined;
  }

  /** The kubelet says how the node is. */
  async #report(): Promise<void> {
    const { admin, name, clock } = this.options;
    const ready = this.host.state === 'up';
    const condition = { type: 'Ready', status: ready ? 'True' : 'Unknown', lastTransitionTime: iso(clock.nowMs()) };
    const status = { conditions: [condition], nodeInfo: { bootID: this.host.boot.bootId } };
    const taints: object[] = [];
    await admin.patch(nodes, { name }, { type: 'merge', body: { status }, subresource: 'status' });
    await admin.patch(nodes, { name }, { type: 'strategic', body: { spec: { taints } } });
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
