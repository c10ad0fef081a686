import { systemClock } from '../../agent/clock.ts';
import { poolLabel, stateLabel } from '../../agent/cluster/names.ts';
import { type LeaseObject, leases, type NodeObject, nodes } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { Watched } from '../../agent/cluster/watch.ts';

interface SeenNode {
  readonly state: string;
  readonly cordoned: boolean;
}

/** Of a node that was cordoned for a reboot and is not yet handed back. */
const awayStates = new Set(['cordoned', 'draining', 'rebooting', 'verifying']);

/** Somebody who watches all Nodes and Leases while they are rolled, and writes down what must not be. */
export class RollWitness {
  /** `node state`, each time that a Node's state becomes another. */
  readonly seen: string[] = [];
  /** What must not have been, in words. */
  readonly broken: string[] = [];
  readonly #most: number;
  /** Whose cordon is an administrator's. */
  readonly #keptCordoned: ReadonlySet<string>;
  readonly #nodes: Watched<NodeObject, SeenNode>;
  readonly #leases: Watched<LeaseObject, string>;
  readonly #stop = new AbortController();
  readonly #states = new Map<string, SeenNode>();
  readonly #holders = new Map<string, string>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: {
    readonly port: KubernetesPort;
    readonly namespace: string;
    /** How many nodes may be away together. */
    readonly most: number;
    readonly keptCordoned: readonly string[];
  }) {
    const { port, namespace, most, keptCordoned } = options;
    this.#most = most;
    this.#keptCordoned = new Set(keptCordoned);
    const shared = { port, clock: systemClock, random: Math.random };
    this.#nodes = new Watched<NodeObject, SeenNode>({
      ...shared,
      resource: nodes,
      scope: {},
      project: ({ metadata, spec }) => ({
        state: metadata.labels?.[stateLabel] ?? 'idle',
        cordoned: spec?.unschedulable ?? false,
      }),
      onChange: (change) => {
        if (change.type !== 'deleted') this.#nodeIs(change.key, change.value);
      },
    });
    this.#leases = new Watched<LeaseObject, string>({
      ...shared,
      resource: leases,
      scope: { namespace, labelSelector: poolLabel },
      project: ({ spec }) => spec?.holderIdentity ?? '',
      onChange: (change) => this.#leaseIs(change.key, change.type === 'deleted' ? '' : change.value),
    });
  }

  async start(): Promise<void> {
    this.#running = Promise.all([this.#nodes.run(this.#stop.signal), this.#leases.run(this.#stop.signal)]);
    await Promise.all([this.#nodes.whenSynced(), this.#leases.whenSynced()]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Nodes that take pods now. */
  schedulable(): string[] {
    return [...this.#states].filter(([, { cordoned }]) => !cordoned).map(([name]) => name);
  }

  /** Nodes that hold a slot now. */
  holders(): string[] {
    return [...this.#holders.values()].filter((holder) => holder !== '');
  }

  #nodeIs(name: string, node: SeenNode): void {
    if (this.#states.get(name)?.state !== node.state) this.seen.push(`${name} ${node.state}`);
    this.#states.set(name, node);
    const all = [...this.#states];
    const cordoned = all.filter(([one, { cordoned: is }]) => is && !this.#keptCordoned.has(one));
    const away = all.filter(([, { state }]) => awayStates.has(state));
    this.#bound(`cordoned`, cordoned);
    this.#bound(`on their way through a reboot`, away);
    if (this.#keptCordoned.has(name) && !node.cordoned) this.broken.push(`${name} lost its administrator's cordon`);
  }

  #leaseIs(name: string, holder: string): void {
    this.#holders.set(name, holder);
    this.#bound(
      'holding a slot',
      this.holders().map((one) => [one]),
    );
  }

  #bound(what: string, found: readonly (readonly unknown[])[]): void {
    if (found.length <= this.#most) return;
    this.broken.push(`${found.length} nodes ${what}: ${found.map(([name]) => String(name)).join(', ')}`);
  }
}
