import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { stateLabel } from '../../../agent/cluster/names.ts';
import { type LeaseObject, leases, type NodeObject, nodes } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import { parseConfig } from '../../../agent/config/load.ts';
import { isNodetenderError } from '../../../agent/errors.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import type { RebootOutcome } from '../../emulators/host/host.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';
import { lossyPort } from '../lossyport.ts';
import { Chance } from '../random.ts';
import { Violation } from '../witness.ts';
import { Machine } from './machine.ts';

/** A mistake planted into every agent of a world, which the simulation must find. */
export interface RollMutation {
  readonly port?: (port: KubernetesPort, machine: () => Machine) => KubernetesPort;
}

const someLosses = { lost: 0.05, unanswered: 0.06, late: 0.04 };
const noLosses = { lost: 0, unanswered: 0, late: 0 };
const namespace = 'default';
const settings = (concurrency: number) => `
reboot:
  sentinel: { settle: 10s }
  minInterval: 1m
  deadline: 2m
  backoff: { first: 1m, longest: 8m }
  pools: [{ name: workers, concurrency: ${concurrency} }]
  gates: { maxUnhealthy: 10, patience: 1m }
  drain: { timeout: 3m }
  health: { soak: 20s, timeout: 5m }
`;
const away: ReadonlySet<string> = new Set(['cordoned', 'draining', 'rebooting', 'verifying']);
const outcomes: readonly RebootOutcome[] = [
  'ignored',
  'stuck',
  'never-returns',
  'unanswered',
  'lost',
  'denied',
  'failed',
];

/** A few machines that want reboots, all that can come between, and then peace, in which everybody gets what it wants. */
export class RollWorld {
  readonly clock = new VirtualClock();
  /** What each kind of thing has happened how often. */
  readonly happened: Record<string, number> = {};
  readonly trace: string[] = [];
  readonly #chance: Chance;
  readonly #mutation: RollMutation;
  readonly #server: EmulatedApiServer;
  readonly #admin: KubernetesPort;
  readonly #machines = new Map<string, Machine>();
  readonly #cordonedByAdmin = new Set<string>();
  readonly #concurrency: number;
  #losses = someLosses;
  #violation: string | undefined;

  constructor(seed: number, mutation: RollMutation = {}) {
    this.#chance = new Chance(seed);
    this.#mutation = mutation;
    this.#concurrency = this.#chance.between(1, 2);
    this.#server = new EmulatedApiServer({ clock: this.clock, controllers: true });
    this.#server.access.grant('admin');
    this.#admin = this.#client();
  }

  async live(): Promise<void> {
    const count = this.#chance.between(2, 4);
    for (let index = 0; index < count; index += 1) await this.#addMachine(`node-${index}`);
    for (let round = 0; round < 14; round += 1) {
      await this.#pass(this.#chance.between(1, 45_000));
      await this.#disturb();
    }
    await this.#makePeace();
    for (let minutes = 0; minutes < 90 && !(await this.#isCalm()); minutes += 1) await this.#pass(60_000);
    await this.#expectCalm();
    for (const machine of this.#machines.values()) machine.crash();
  }

  async #disturb(): Promise<void> {
    const machine = this.#chance.pick([...this.#machines.values()]);
    if (machine === undefined) return;
    const [what, how] = this.#chance.pick(this.#disturbances(machine)) ?? [];
    if (what === undefined || how === undefined) return;
    this.happened[what] = (this.happened[what] ?? 0) + 1;
    this.#note(machine, what);
    await how();
  }

  #disturbances(machine: Machine): readonly (readonly [string, () => unknown])[] {
    const chance = this.#chance;
    return [
      ['wish', () => machine.need.want(['linux-image'])],
      ['wish', () => machine.need.want([])],
      ['wish of all', () => this.#machines.forEach(({ need }) => need.want([]))],
      ['wish withdrawn', () => machine.need.clear()],
      ['wish that outlives boots', () => void (machine.need.outlivesBoots = true)],
      ['crash', () => this.#crash(machine)],
      ['crash', () => this.#crash(machine)],
      ['power cut', () => void machine.host.powerCycle()],
      ['odd reboot', () => machine.host.outcomes.push(chance.pick(outcomes) ?? 'lost')],
      ['odd reboot', () => machine.host.outcomes.push(chance.pick(outcomes) ?? 'lost')],
      [
        'watch',
        () => this.#server.disturbWatches(chance.hits(0.5) ? 'cut' : 'expire', chance.pick(['leases', 'nodes'])),
      ],
      ['hold', () => this.#annotate(machine, 'hold', 'a person')],
      ['hold ended', () => this.#annotate(machine, 'hold', null)],
      ['request', () => this.#annotate(machine, 'reboot', `please-${chance.between(1, 99)}`)],
      ['cordon by an admin', () => this.#cordon(machine)],
      ['uncordon by an admin', () => this.#uncordon(machine)],
      ['clock set', () => this.clock.jump(chance.between(-600_000, 600_000))],
      ['node replaced', () => this.#replace(machine)],
    ];
  }

  async #crash(machine: Machine): Promise<void> {
    machine.crash();
    await this.#pass(this.#chance.between(1, 30_000));
    machine.start();
  }

  async #annotate({ name }: Machine, key: string, value: string | null): Promise<void> {
    const body = { metadata: { annotations: { [`nodetender.dev/${key}`]: value } } };
    await this.#admin.patch(nodes, { name }, { type: 'merge', body });
  }

  /** Only where nobody has: added to ours, or in the place of ours while the host is down, it cannot be told apart. */
  async #cordon(machine: Machine): Promise<void> {
    const { metadata, spec } = await machine.node();
    if (spec?.unschedulable === true || away.has(metadata.labels?.[stateLabel] ?? '')) return;
    const body = { metadata: { resourceVersion: metadata.resourceVersion }, spec: { unschedulable: true } };
    try {
      await this.#admin.patch(nodes, { name: machine.name }, { type: 'merge', body });
      this.#cordonedByAdmin.add(machine.name);
    } catch (error) {
      if (!isNodetenderError(error, 'cluster/conflict')) throw error;
    }
  }

  async #uncordon({ name }: Machine): Promise<void> {
    this.#cordonedByAdmin.delete(name);
    await this.#admin.patch(nodes, { name }, { type: 'merge', body: { spec: { unschedulable: null } } });
  }

  async #replace(machine: Machine): Promise<void> {
    if (machine.host.state !== 'up') return;
    machine.crash();
    this.#cordonedByAdmin.delete(machine.name);
    await this.#admin.delete(nodes, { name: machine.name });
    await this.#pass(this.#chance.between(1, 5_000));
    if (machine.host.state === 'up') await machine.register();
  }

  /** Whoever is in the way leaves it, and machines that were lost are found. */
  async #makePeace(): Promise<void> {
    this.#losses = noLosses;
    for (const machine of this.#machines.values()) {
      machine.host.outcomes.length = 0;
      // A reboot that it has survived was in vain: nothing but a person ends that within an hour.
      if (machine.need.outlivesBoots) machine.need.clear();
      machine.need.outlivesBoots = false;
      if (machine.host.state !== 'up') await this.#powerCycle(machine);
      const found = await this.#find(machine);
      if (found === undefined) await machine.register();
      machine.start();
      await this.#annotate(machine, 'hold', null);
      this.#note(machine, 'peace');
    }
  }

  async #powerCycle(machine: Machine): Promise<void> {
    const cycle = machine.host.powerCycle();
    await this.#pass(120_000);
    await cycle;
  }

  async #isCalm(): Promise<boolean> {
    const found = await Promise.all([...this.#machines.values()].map((machine) => machine.node()));
    return found.every(({ metadata }) => metadata.labels?.[stateLabel] === undefined);
  }

  async #expectCalm(): Promise<void> {
    for (const machine of this.#machines.values()) {
      const { metadata, spec } = await machine.node();
      const phase = metadata.labels?.[stateLabel];
      const record = metadata.annotations?.['nodetender.dev/reboot-status'];
      if (phase !== undefined) throw new Violation(`${machine.name} is ${phase} after 90 minutes of peace: ${record}`);
      const isMeant = this.#cordonedByAdmin.has(machine.name);
      const isCordoned = spec?.unschedulable === true;
      if (isCordoned && !isMeant && !this.#mayBeLeftCordoned(record)) {
        throw new Violation(`${machine.name} is left cordoned: ${record}`);
      }
    }
    const { items } = await this.#admin.list(
      leases,
      { namespace },
      ({ metadata, spec }) => [metadata.name, spec?.holderIdentity] as const,
    );
    const held = items.find(([, holder]) => (holder ?? '') !== '');
    if (held !== undefined) throw new Violation(`${held[0]} is held by ${held[1]} in peace`);
  }

  /** A hold that came after the reboot leaves the cordon to the person who held. */
  #mayBeLeftCordoned(record: string | undefined): boolean {
    return (this.happened['hold'] ?? 0) > 0 && record !== undefined;
  }

  /** In steps, because what must never be may be for a moment only. */
  async #pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 5_000) {
      await this.clock.advance(Math.min(5_000, left));
      this.#look();
      if (this.#violation !== undefined) throw new Violation(this.#violation);
    }
  }

  #look(): void {
    const found = this.#server.store.list(this.#server.resource('nodes')) as unknown as NodeObject[];
    // One that boots without having asked for it has to show that it is well, too, but holds no slot for it.
    const gone = found.filter((node) => away.has(node.metadata.labels?.[stateLabel] ?? '') && this.#counts(node));
    if (gone.length > this.#concurrency) {
      const names = gone.map(({ metadata }) => `${metadata.name} (${metadata.labels?.[stateLabel]})`).join(', ');
      this.#violation ??= `${gone.length} of ${this.#concurrency} are away: ${names}`;
    }
    for (const { metadata, spec } of found) {
      if (this.#cordonedByAdmin.has(metadata.name) && spec?.unschedulable !== true) {
        this.#violation ??= `${metadata.name} was cordoned by an admin and is not any more`;
      }
    }
  }

  #counts({ metadata }: NodeObject): boolean {
    if (metadata.labels?.[stateLabel] !== 'verifying') return true;
    const slots = this.#server.store.list(this.#server.resource('leases', 'coordination.k8s.io'));
    return slots.some((slot) => (slot as unknown as LeaseObject).spec?.holderIdentity === metadata.name);
  }

  #heard(machine: Machine, reason: string, note: string): void {
    this.#note(machine, `${reason}: ${note}`);
    this.happened[reason] = (this.happened[reason] ?? 0) + 1;
    if (reason === 'Rebooted' && machine.host.boots.length < 2) {
      this.#violation ??= `${machine.name} says that it was rebooted, and was not`;
    }
  }

  #note({ name }: Machine, text: string): void {
    this.trace.push(`${(this.clock.monotonicMs() / 1000).toFixed(0).padStart(6)} ${name} ${text}`);
  }

  async #find(machine: Machine): Promise<NodeObject | undefined> {
    try {
      return await machine.node();
    } catch (error) {
      if (isNodetenderError(error, 'cluster/not-found')) return undefined;
      throw error;
    }
  }

  async #addMachine(name: string): Promise<void> {
    const { reboot } = parseConfig(settings(this.#concurrency), 'simulation');
    const machine: Machine = new Machine({
      name,
      namespace,
      config: () => reboot,
      port: (life) => this.#lossy(life, () => machine),
      admin: this.#admin,
      paused: () => false,
      onEvent: (from, reason, note) => this.#heard(from, reason, note),
      clock: this.clock,
      chance: this.#chance,
    });
    this.#machines.set(name, machine);
    await machine.register();
    await machine.runPod(`web-${name}`, { app: 'web' });
  }

  #lossy(life: AbortSignal, machine: () => Machine): KubernetesPort {
    const losses = () => this.#losses;
    const port = lossyPort(this.#client(), { losses, chance: this.#chance, clock: this.clock, life });
    return this.#mutation.port?.(port, machine) ?? port;
  }

  #client(): KubernetesClient {
    const { clock } = this;
    const transport = new InMemoryTransport({ server: this.#server, user: 'admin', clock });
    const rate = { perSecond: 1_000, burst: 10_000 };
    return new KubernetesClient({ transport, clock, random: this.#chance.next, userAgent: 'nodetender/test', rate });
  }
}
