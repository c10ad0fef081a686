import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { annotationPrefix, nodeAnnotations, stateLabel } from '../../../agent/cluster/names.ts';
import { budgets, leases, type NodeObject, nodes } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import type { Config } from '../../../agent/config/load.ts';
import { isNodetenderError } from '../../../agent/errors.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { directPort } from '../../emulators/kubernetes/directport.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';
import { Chance } from '../random.ts';
import { Violation } from '../witness.ts';
import { type Distortion, Machine } from './machine.ts';
import { agentUser, type Author, fair, type Life, Network } from './network.ts';
import { recordOf } from './record.ts';
import { Referee } from './referee.ts';
import { configOf, soakMs } from './settings.ts';
import { count, emptyTally } from './tally.ts';
import { type Scene, type Trouble, troubles } from './troubles.ts';
import { Workload } from './workload.ts';

const rounds = 14;
const longestRoundMs = 45_000;
const peaceMinutes = 90;
/** Requests of one machine in a minute, on average over a round. A drain or a slot's hand-over is some dozens. */
const stormPerMinute = 400;
/** From a wish to its condition: a start, a settle and some lost requests lie between. */
const visibleWithinMs = 5 * 60_000;
/** A write that comes late may undo one; it is seen, believed for a minute, and written anew at the next look. */
const visibleAgainWithinMs = 3 * 60_000;
/** After ten minutes without a word, a few more or less, the own Node is listed anew. */
const silenceHeardWithinMs = 12 * 60_000;
const controlPlane = 'node-role.kubernetes.io/control-plane';

/** Drawn from the heap of troubles by their weights. */
const heap: readonly Trouble[] = troubles.flatMap((trouble) => Array<Trouble>(trouble.weight ?? 1).fill(trouble));

/** Drawn by the seed, where a test does not choose. */
export interface WorldKind {
  /** Else those that the agent has by default, under a cap for the cluster. */
  readonly hasOwnPools: boolean;
  /** With texts, deadlines and retries in between. */
  readonly throughClient: boolean;
  /** The others have to go on all the same. */
  readonly isOneBlocked: boolean;
}

/** A few machines that want reboots, all that can come between, and then peace, in which everybody gets what it wants. */
export class RollWorld implements Scene {
  readonly namespace = 'default';
  readonly clock = new VirtualClock();
  readonly chance: Chance;
  readonly server: EmulatedApiServer;
  readonly admin: KubernetesPort;
  readonly tally = emptyTally();
  readonly trace: string[] = [];
  readonly referee: Referee;
  paused: string | false | undefined = false;
  /** Of the configuration of this moment; each machine reads it in its own time. */
  slots: number;
  hasOwnPools: boolean;
  readonly isOnePool: boolean;
  readonly #author: Author = { current: undefined };
  readonly #machines = new Map<string, Machine>();
  readonly #workload: Workload;
  readonly #removed: Machine[] = [];
  readonly #untoldSinceMs = new Map<string, number>();
  readonly #configs = new Map<string, Config['reboot']>();
  readonly #distortion: Distortion | undefined;
  readonly #kind: WorldKind;
  readonly #count: number;

  constructor(seed: number, distortion?: Distortion, kind: Partial<WorldKind> = {}) {
    const chance = new Chance(seed);
    this.chance = chance;
    this.#distortion = distortion;
    this.#count = chance.hits(0.04) ? 10 : chance.between(2, 4);
    this.#kind = {
      hasOwnPools: chance.hits(0.85),
      throughClient: chance.hits(0.05),
      isOneBlocked: chance.hits(this.#count === 10 ? 0.5 : 0.1),
      ...kind,
    };
    this.slots = chance.between(1, 2);
    this.hasOwnPools = this.#kind.hasOwnPools;
    this.isOnePool = this.#kind.hasOwnPools;
    this.server = new EmulatedApiServer({ clock: this.clock, controllers: true });
    this.server.access.grant('admin');
    this.server.access.grant(agentUser);
    this.admin = directPort({ server: this.server, user: 'admin', clock: this.clock });
    this.referee = new Referee({
      store: this.server.store,
      author: this.#author,
      machines: this.#machines,
      soakMs,
      nowMs: () => this.clock.monotonicMs(),
      checks: this.tally.checks,
    });
    this.server.store.listen(() => count(this.tally.amounts, 'changes'));
    this.#workload = new Workload({
      admin: this.admin,
      store: this.server.store,
      namespace: this.namespace,
      machines: this.#machines,
      chance,
      clock: this.clock,
    });
  }

  /** The machines that are there. */
  get members(): readonly Machine[] {
    return [...this.#machines.values()];
  }

  /** Throws Violation. */
  async live(): Promise<void> {
    for (let index = 0; index < this.#count; index += 1) await this.#addMachine(`node-${index}`, index);
    if (this.#count === 10) this.members.forEach(({ need }) => need.want([]));
    for (let round = 0; round < rounds; round += 1) {
      await this.pass(this.chance.between(1, longestRoundMs));
      await this.#disturb();
    }
    const blocked = this.#kind.isOneBlocked ? this.members[0] : undefined;
    if (blocked !== undefined) await this.#rollAround(blocked);
    await this.#makePeace(this.members);
    await this.#settle(this.members);
    await this.#expectEnd();
    for (const machine of [...this.members, ...this.#removed]) machine.crash();
    count(this.tally.amounts, 'virtual minutes', Math.round(this.clock.monotonicMs() / 60_000));
    for (const { network } of [...this.members, ...this.#removed]) count(this.tally.amounts, 'requests', network.sent);
  }

  readonly note = (text: string): void => {
    this.trace.push(`${(this.clock.monotonicMs() / 1000).toFixed(1).padStart(8)} ${text}`);
  };

  /** Throws Violation. */
  async pass(ms: number): Promise<void> {
    const sent = this.members.map(({ network }) => network.sent);
    await this.clock.advance(ms);
    for (const [index, machine] of this.members.entries()) {
      this.referee.checked('sane');
      const most = (stormPerMinute * Math.max(ms, 60_000)) / 60_000;
      const requests = machine.network.sent - (sent[index] ?? 0);
      if (requests > most) this.referee.fail('sane', `${machine.name} sends ${requests} requests in ${ms} ms`);
      this.#checkVisible(machine);
    }
    if (this.referee.violation !== undefined) throw new Violation(this.referee.violation);
  }

  async annotate({ name }: Machine, key: string, value: string | null): Promise<void> {
    const body = { metadata: { annotations: { [`nodetender.dev/${key}`]: value } } };
    await ifThere(this.admin.patch(nodes, { name }, { type: 'merge', body }));
  }

  /** The agent of this machine reads the configuration anew. */
  configure({ name }: Pick<Machine, 'name'>): void {
    const slots = this.hasOwnPools ? this.slots : 1;
    this.#configs.set(
      name,
      configOf(this.hasOwnPools ? `pools: [{ name: workers, concurrency: ${slots} }]` : 'pools: []'),
    );
    this.referee.configured(name, slots);
  }

  async deleteNode({ name }: Machine): Promise<void> {
    await ifThere(this.admin.delete(nodes, { name }));
    await this.#workload.deleteFrom(name);
  }

  /** A machine that is scrapped; one stays. */
  async remove(machine: Machine): Promise<void> {
    if (this.#machines.size < 3) return;
    machine.isStopped = true;
    machine.crash();
    await this.deleteNode(machine);
    this.#machines.delete(machine.name);
    this.#removed.push(machine);
  }

  async schedule(): Promise<void> {
    await this.#workload.schedule();
  }

  readonly withdrawBudgets = async (): Promise<void> => {
    const { items } = await this.admin.list(budgets, { namespace: this.namespace }, ({ metadata }) => metadata.name);
    for (const name of items) await this.admin.delete(budgets, { namespace: this.namespace, name });
  };

  async #disturb(): Promise<void> {
    const machine = this.chance.pick(this.members);
    const trouble = this.chance.pick(heap);
    if (machine === undefined || trouble === undefined) return;
    count(this.tally.faults, trouble.name);
    this.note(`${machine.name} * ${trouble.name}`);
    await trouble.happen(this, machine);
  }

  /** One can never go: the others must not wait for it. */
  async #rollAround(blocked: Machine): Promise<void> {
    const { name } = blocked;
    const others = this.members.filter((machine) => machine !== blocked);
    await this.#makePeace(this.members);
    await this.#settle(this.members);
    const way = this.chance.pick(['budget', 'hold']);
    this.note(`${name} * blocked for ever by a ${way}`);
    count(this.tally.faults, `node blocked for ever by a ${way}`);
    const spec = { maxUnavailable: 0, selector: { matchLabels: { node: name } } };
    if (way === 'hold') {
      await this.annotate(blocked, 'hold', 'for ever');
      // A wish that comes at the same moment may be the first that its agent hears of.
      await this.pass(180_000);
    } else await this.admin.create(budgets, this.namespace, { metadata: { name: `never-${name}` }, spec });
    // One that somebody has cordoned has nothing that could be in the way of its reboot.
    await this.schedule();
    for (const { need } of this.members) need.want([]);
    await this.#settle(others);
  }

  /** Whoever is in the way leaves it, and machines that were lost are found. */
  async #makePeace(machines: readonly Machine[]): Promise<void> {
    this.server.faults.clear();
    this.paused = false;
    await this.withdrawBudgets();
    for (const machine of machines) {
      const { host, need, network } = machine;
      network.weather = fair;
      network.heal();
      host.outcomes.length = 0;
      host.hasLogind = true;
      machine.sickUntilMs = 0;
      // A reboot that it has survived was in vain: nothing but a person ends that within a day.
      if (need.outlivesBoots) need.clear();
      need.outlivesBoots = false;
      this.configure(machine);
      if (host.state !== 'up') await this.#powerCycle(machine);
      await machine.register();
      await this.annotate(machine, 'hold', null);
      this.note(`${machine.name} * peace`);
    }
  }

  async #powerCycle(machine: Machine): Promise<void> {
    const cycle = machine.host.powerCycle();
    await this.pass(120_000);
    await cycle;
  }

  /** Throws Violation where one of them has something left to do in the end. */
  async #settle(machines: readonly Machine[]): Promise<void> {
    const minutes = peaceMinutes + 10 * machines.length;
    for (let minute = 0; minute < minutes; minute += 1) {
      await this.pass(60_000);
      if (machines.every((machine) => this.#isCalm(machine))) return;
    }
    this.referee.checked('end');
    const restless = machines.filter((machine) => !this.#isCalm(machine));
    const phases = restless.map(({ name }) => `${name} is ${this.#phaseOf(name) ?? 'idle and wants a reboot'}`);
    this.referee.fail('end', `after ${minutes} minutes of peace ${phases.join(', ')}`);
    throw new Violation(this.referee.violation);
  }

  #isCalm({ name, need }: Machine): boolean {
    const node = this.#node(name);
    const request = node?.metadata.annotations?.[annotationPrefix + nodeAnnotations.reboot];
    const isAnswered = request === undefined || (node !== undefined && recordOf(node)?.requestHandled === request);
    return this.#phaseOf(name) === undefined && need.current()?.wanted === false && isAnswered;
  }

  #phaseOf(name: string): string | undefined {
    return this.#node(name)?.metadata.labels?.[stateLabel];
  }

  async #expectEnd(): Promise<void> {
    const { referee } = this;
    // What was sent late is over by then.
    await this.pass(60_000);
    referee.checked('end');
    for (const { name } of this.members) {
      const node = this.#node(name);
      const isMeant = referee.isCordonedByPerson(name) || referee.leavesCordon(name);
      if (node?.spec?.unschedulable === true && !isMeant) referee.fail('end', `${name} is left cordoned`);
    }
    const { items } = await this.admin.list(
      leases,
      { namespace: this.namespace },
      ({ metadata, spec }) => [metadata.name, spec?.holderIdentity ?? ''] as const,
    );
    const held = items.find(([, holder]) => holder !== '');
    if (held !== undefined) referee.fail('end', `${held[0]} is held by ${held[1]} in peace`);
    if (referee.violation !== undefined) throw new Violation(referee.violation);
  }

  /** Of an agent that runs and is heard. */
  #checkVisible({ name, need, aliveSinceMs, network, clock }: Machine): void {
    const nowMs = clock.monotonicMs();
    const wish = need.current();
    const isDue = wish?.wanted === true && wish.settledForMs > visibleWithinMs;
    if (!isDue || aliveSinceMs === undefined || nowMs - aliveSinceMs < visibleWithinMs) return;
    if (nowMs - (network.wholeSinceMs ?? nowMs) < visibleWithinMs) return;
    const node = this.#node(name);
    if (node === undefined) return;
    const createdAtMs = Date.parse(node.metadata.creationTimestamp ?? '');
    // Its agent may follow a Node whose place this one has taken, on a watch that has fallen silent.
    const heardWithinMs = this.referee.watchesHang ? silenceHeardWithinMs : 0;
    if (this.clock.nowMs() - createdAtMs < visibleWithinMs + heardWithinMs) return;
    this.referee.checked('visible');
    const isTold = node.status?.conditions?.some(({ type, status }) => type === 'RebootRequired' && status === 'True');
    if (isTold === true) {
      this.#untoldSinceMs.delete(name);
      return;
    }
    // It may be between giving back one try and looking at the need anew.
    const untoldSinceMs = this.#untoldSinceMs.get(name) ?? nowMs;
    this.#untoldSinceMs.set(name, untoldSinceMs);
    if (nowMs - untoldSinceMs < visibleAgainWithinMs) return;
    this.referee.fail('visible', `${name} wants a reboot, and nothing on its Node says so`);
  }

  #node(name: string): NodeObject | undefined {
    return this.server.store.get({ storedAs: 'nodes' }, '', name);
  }

  #heard(machine: Machine, reason: string, note: string): void {
    this.note(`${machine.name} ${reason}: ${note}`);
    count(this.tally.events, reason);
  }

  async #addMachine(name: string, index: number): Promise<void> {
    const { chance, clock, tally } = this;
    const labels: Record<string, string> = !this.isOnePool && index === 0 ? { [controlPlane]: '' } : {};
    const network = new Network({ machine: name, author: this.#author, faults: tally.faults, chance, clock });
    this.configure({ name });
    const machine = new Machine({
      name,
      labels,
      namespace: this.namespace,
      config: () => this.#configs.get(name) ?? configOf('pools: []'),
      port: (life) => this.#port(network, life),
      network,
      admin: this.admin,
      paused: () => this.paused,
      distort: this.#distortion,
      onEvent: (from, reason, note) => this.#heard(from, reason, note),
      onStep: () => count(tally.amounts, 'steps'),
      onOrder: (from) => {
        this.note(`${name} is told to reboot`);
        this.referee.ordered(from);
      },
      onDefect: (_, what) => this.referee.fail('sane', `${name}: ${what}`),
      clock,
      chance,
    });
    this.#machines.set(name, machine);
    await machine.register();
    await this.#workload.run(name);
  }

  /** Some worlds go the long way: the client with its texts, deadlines and retries. */
  #port(network: Network, life: Life): KubernetesPort {
    const { server, clock, chance } = this;
    if (!this.#kind.throughClient) return directPort({ server, user: agentUser, clock });
    const transport = network.signed(new InMemoryTransport({ server, user: agentUser, clock }), life);
    const rate = { perSecond: 1_000, burst: 10_000 };
    return new KubernetesClient({ transport, clock, random: chance.next, userAgent: 'nodetender/test', rate });
  }
}

async function ifThere(done: Promise<unknown>): Promise<void> {
  try {
    await done;
  } catch (error) {
    if (!isNodetenderError(error, 'cluster/not-found')) throw error;
  }
}
