import { KubernetesClient } from '../../agent/cluster/client.ts';
import { nextAnnotation } from '../../agent/cluster/names.ts';
import { leases, nodes } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { type Pools, poolsOf } from '../../agent/reboot/lock/pools.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { EmulatedApiServer } from '../emulators/kubernetes/apiserver.ts';
import type { Resource } from '../emulators/kubernetes/resources.ts';
import { InMemoryTransport } from '../emulators/kubernetes/transport.ts';
import { lossyPort } from './lossyport.ts';
import { LockUser, type LockWitness, queuedAt } from './lockuser.ts';
import { Chance } from './random.ts';
import { Violation } from './witness.ts';

/** A mistake planted into every agent of a world, which the simulation must find. */
export interface LockMutation {
  readonly port?: (port: KubernetesPort, node: string) => KubernetesPort;
  readonly staleAfterMs?: number;
}

const kinds = ['one at a time', 'three at a time', 'changed number', 'renamed pool', 'cap over two pools'] as const;

const someLosses = { lost: 0.08, unanswered: 0.1, late: 0.08 };
const noLosses = { lost: 0, unanswered: 0, late: 0 };
const namespace = 'default';
const controlPlane = 'node-role.kubernetes.io/control-plane';

/** A few nodes that all want a reboot, and everything that can come between. */
export class LockWorld implements LockWitness {
  readonly kind: (typeof kinds)[number];
  readonly clock = new VirtualClock();
  readonly #chance: Chance;
  readonly #mutation: LockMutation;
  readonly #server: EmulatedApiServer;
  readonly #admin: KubernetesPort;
  readonly #users = new Map<string, LockUser>();
  readonly #inside = new Set<LockUser>();
  /** What each node's configuration says at the moment: not all have the newest. */
  readonly #pools = new Map<string, Pools>();
  #losses = someLosses;
  #violation: string | undefined;
  /** How often each thing has happened. */
  readonly happened = { entered: 0, lost: 0, crashed: 0, replaced: 0, freed: 0, misled: 0 };

  constructor(seed: number, mutation: LockMutation = {}) {
    this.#chance = new Chance(seed);
    this.#mutation = mutation;
    this.kind = kinds[seed % kinds.length] ?? kinds[0];
    this.#server = new EmulatedApiServer({ clock: this.clock, controllers: true });
    this.#server.access.grant('admin');
    this.#admin = this.#client();
  }

  /** Most of what can happen, for some minutes, and then peace, in which every node gets what it wants. */
  async live(): Promise<void> {
    const count = this.#chance.between(3, 5);
    for (let index = 0; index < count; index += 1) await this.#addNode(`node-${index}`);
    for (let round = 0; round < 12; round += 1) {
      await this.#pass(this.#chance.between(1, 60_000));
      await this.#disturb();
    }
    this.#losses = noLosses;
    for (const user of this.#users.values()) this.#pools.set(user.name, this.#newest());
    for (let minutes = 0; minutes < 60; minutes += 1) {
      await this.#pass(60_000);
      if ([...this.#users.values()].every(({ phase }) => phase === 'done')) break;
    }
    // What was sent late is over by now; nobody who has gone home may hold anything.
    await this.#pass(300_000);
    for (const user of this.#users.values()) {
      if (user.phase !== 'done') throw new Violation(`${user.name} is ${user.phase} after an hour of peace`);
      user.crash();
    }
    const held = this.#server.store.list(this.#leases).filter((lease) => holderOf(lease) !== '');
    if (held.length > 0) throw new Violation(`${held[0]?.metadata.name} is held by a node that is done`);
  }

  entered(user: LockUser): void {
    this.happened.entered += 1;
    // A person may have freed it before the agent could hear that it has it; it finds out when it confirms.
    if (!this.#holds(user)) return;
    this.#inside.add(user);
    const limit = this.#limit();
    if (this.#inside.size <= limit) return;
    const names = [...this.#inside].map(({ name, slot }) => `${name} with ${slot}`).join(', ');
    this.#violation ??= `${this.#inside.size} of ${limit}: ${names}`;
  }

  left(user: LockUser): void {
    this.#inside.delete(user);
    if (user.phase === 'holding') this.happened.lost += 1;
  }

  confirmed(user: LockUser): void {
    if (this.#users.get(user.name) !== user) return;
    const { uid } = user.options;
    // Somebody may have freed it since, but nobody else can have been let in by then and be away too.
    if (!this.#inside.has(user) && this.#inside.size >= this.#limit() && uid !== '') {
      this.#violation ??= `${user.name} has confirmed what others hold`;
    }
  }

  #holds({ name, slot }: LockUser): boolean {
    const lease = this.#server.store.get(this.#leases, namespace, slot ?? '');
    return lease !== undefined && holderOf(lease) === name;
  }

  async #pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    if (this.#violation !== undefined) throw new Violation(this.#violation);
  }

  async #disturb(): Promise<void> {
    const user = this.#chance.pick([...this.#users.values()]);
    if (user === undefined) return;
    this.#pools.set(user.name, this.#newest());
    switch (this.#chance.between(0, 5)) {
      case 0:
      case 1:
        user.crash();
        this.happened.crashed += 1;
        await this.#pass(this.#chance.between(1, 30_000));
        user.start();
        return;
      case 2:
        return await this.#replaceNode(user);
      case 3:
        return await this.#freeByHand();
      case 4:
        return await this.#mislead();
      default:
        this.#server.disturbWatches(this.#chance.hits(0.5) ? 'cut' : 'expire', 'leases');
    }
  }

  /** The Node object goes and comes again under its name, with the agent of the new one. */
  async #replaceNode(user: LockUser): Promise<void> {
    this.happened.replaced += 1;
    user.crash();
    this.#inside.delete(user);
    await this.#admin.delete(nodes, { name: user.name });
    await this.#addNode(user.name);
  }

  /** A person decides that a slot is free. */
  async #freeByHand(): Promise<void> {
    const { items } = await this.#admin.list(leases, { namespace }, (lease) => lease);
    const lease = this.#chance.pick(items.filter(({ spec }) => (spec?.holderIdentity ?? '') !== ''));
    if (lease === undefined) return;
    this.happened.freed += 1;
    const holder = this.#users.get(lease.spec?.holderIdentity ?? '');
    if (holder !== undefined && holder.slot === lease.metadata.name) this.#inside.delete(holder);
    await this.#admin.delete(leases, lease.metadata);
  }

  async #mislead(): Promise<void> {
    const { items } = await this.#admin.list(leases, { namespace }, ({ metadata }) => metadata);
    for (const metadata of items) {
      this.happened.misled += 1;
      const lies = ['not a hint', '{"nodes":["nobody"],"waiting":3}', `{"nodes":["node-1","node-1"],"waiting":1}`];
      const annotations = { [nextAnnotation]: this.#chance.pick(lies) };
      await this.#admin.patch(leases, metadata, { type: 'merge', body: { metadata: { annotations } } });
    }
  }

  async #addNode(name: string): Promise<void> {
    const isControlPlane = this.kind === 'cap over two pools' && name.endsWith('0');
    const labels: Record<string, string> = isControlPlane ? { [controlPlane]: '' } : {};
    const annotations = { [queuedAt]: String(this.clock.nowMs()) };
    const { metadata } = await this.#admin.create(nodes, undefined, { metadata: { name, labels, annotations } });
    if (!this.#pools.has(name)) this.#pools.set(name, this.#newest());
    const user = new LockUser({
      name,
      uid: metadata.uid,
      labels: new Map(Object.entries(labels)),
      settings: () => ({
        pools: this.#pools.get(name) ?? this.#newest(),
        staleAfterMs: this.#mutation.staleAfterMs,
      }),
      port: (life) => this.#lossy(life, name),
      admin: this.#admin,
      witness: this,
      clock: this.clock,
      chance: this.#chance,
    });
    this.#users.set(name, user);
    user.start();
  }

  /** What whoever reads the configuration now would get. */
  #newest(): Pools {
    const passedMs = this.clock.monotonicMs();
    const pool = (name: string, count: number): Pools => poolsOf([{ name, selectors: [], concurrency: { count } }]);
    switch (this.kind) {
      case 'one at a time':
        return pool('workers', 1);
      case 'three at a time':
        return pool('workers', 3);
      case 'changed number':
        return pool('workers', passedMs < 120_000 ? 2 : 1);
      case 'renamed pool':
        return pool(passedMs < 120_000 ? 'workers' : 'machines', 1);
      case 'cap over two pools':
        return poolsOf([]);
    }
  }

  #lossy(life: AbortSignal, node: string): KubernetesPort {
    const losses = () => this.#losses;
    const port = lossyPort(this.#client(), { losses, chance: this.#chance, clock: this.clock, life });
    return this.#mutation.port?.(port, node) ?? port;
  }

  get #leases(): Resource {
    return this.#server.resource('leases', 'coordination.k8s.io');
  }

  #limit(): number {
    if (this.kind === 'three at a time') return 3;
    return this.kind === 'changed number' ? 2 : 1;
  }

  #client(): KubernetesClient {
    const { clock } = this;
    const transport = new InMemoryTransport({ server: this.#server, user: 'admin', clock });
    const rate = { perSecond: 1_000, burst: 10_000 };
    return new KubernetesClient({ transport, clock, random: this.#chance.next, userAgent: 'nodetender/test', rate });
  }
}

function holderOf(lease: object): string {
  return (lease as { readonly spec?: { readonly holderIdentity?: string } }).spec?.holderIdentity ?? '';
}
