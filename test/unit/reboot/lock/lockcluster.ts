import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { stateLabel } from '../../../../agent/cluster/names.ts';
import { type LeaseObject, leases, nodes } from '../../../../agent/cluster/objects.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import { type LockSettings, RebootLock } from '../../../../agent/reboot/lock/lock.ts';
import { type Pools, poolsOf } from '../../../../agent/reboot/lock/pools.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';

const namespace = 'default';
const queuedAt = 'test/queued-at';

export interface LockChoice {
  readonly uid?: string;
  readonly labels?: Record<string, string>;
  readonly recorded?: string;
  readonly staleAfterMs?: number;
  /** False: follows nothing, and knows only what it asks for. */
  readonly runs?: boolean;
}

/** Locks on one emulated API server, by a clock of their own. */
export class LockCluster {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock, controllers: true });
  readonly admin: KubernetesClient;
  stop = new AbortController();
  /** What everybody's configuration says. */
  pools: Pools = poolsOf([]);
  /** How often locks have said that something may have changed. */
  changes = 0;
  /** What everybody draws next. */
  draw = 0;

  constructor() {
    this.server.access.grant('admin');
    this.server.access.grant('agent');
    this.admin = this.#client('admin');
  }

  /** `uid` of another Node than the one that is there. */
  async lock(
    node: string,
    { uid, labels = {}, recorded, staleAfterMs, runs = true }: LockChoice = {},
  ): Promise<RebootLock> {
    const settings = (): LockSettings => ({ pools: this.pools, staleAfterMs });
    const lock = new RebootLock({
      port: this.#client('agent'),
      namespace,
      node: { name: node, uid: uid ?? (await this.node(node, labels)) },
      labels: () => new Map(Object.entries(labels)),
      settings,
      recordedSlot: () => recorded,
      queuedSince: ({ annotations }) => Number(annotations?.[queuedAt]),
      onChange: () => {
        this.changes += 1;
      },
      log: createLogger({ level: 'error', stream: { write: () => undefined } }),
      clock: this.clock,
      random: () => this.draw,
    });
    if (runs) void lock.run(this.stop.signal);
    await this.clock.advance(0);
    await this.clock.advance(0);
    return lock;
  }

  /** Makes a Node, where there is none, and gives its UID. */
  async node(name: string, labels: Record<string, string> = {}): Promise<string> {
    const found = this.server.store.get(this.server.resource('nodes'), '', name);
    if (found !== undefined) return found.metadata.uid;
    return (await this.admin.create(nodes, undefined, { metadata: { name, labels } })).metadata.uid;
  }

  async waits(name: string, queuedSinceMs: number): Promise<void> {
    const metadata = { labels: { [stateLabel]: 'waiting' }, annotations: { [queuedAt]: String(queuedSinceMs) } };
    await this.admin.patch(nodes, { name }, { type: 'merge', body: { metadata } });
  }

  /** Undefined where there is no such Lease. */
  lease(name: string): LeaseObject | undefined {
    return this.server.store.get(this.server.resource('leases', 'coordination.k8s.io'), namespace, name);
  }

  holder(name: string): string {
    return this.lease(name)?.spec?.holderIdentity ?? '';
  }

  async deleteLease(name: string): Promise<void> {
    await this.admin.delete(leases, { namespace, name });
  }

  async patchLease(name: string, body: object): Promise<void> {
    await this.admin.patch(leases, { namespace, name }, { type: 'merge', body });
  }

  async createLease(name: string, body: { readonly metadata?: object; readonly spec: object }): Promise<void> {
    await this.admin.create(leases, namespace, { ...body, metadata: { name, ...body.metadata } });
  }

  /** The agents' writes of Leases so far. */
  writes(): number {
    const isWrite = (verb: string): boolean => ['create', 'patch'].includes(verb);
    return this.server.faults.arrivals.filter(
      ({ user, resource, verb }) => user === 'agent' && resource === 'leases' && isWrite(verb),
    ).length;
  }

  #client(user: string): KubernetesClient {
    const { server, clock } = this;
    const transport = new InMemoryTransport({ server, user, clock });
    return new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  }
}
