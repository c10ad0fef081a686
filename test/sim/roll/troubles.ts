import { nodeAnnotations, annotationPrefix } from '../../../agent/cluster/names.ts';
import { budgets, leases, nodes } from '../../../agent/cluster/objects.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import type { VirtualClock } from '../../emulators/clock.ts';
import type { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import type { Chance } from '../random.ts';
import type { RebootOutcome } from '../../emulators/host/host.ts';
import type { Arrival } from '../../emulators/kubernetes/faults.ts';
import type { Machine } from './machine.ts';
import { agentUser, type Partition, rough } from './network.ts';
import { recordOf } from './record.ts';
import type { Referee } from './referee.ts';

/** A roll, as troubles find it. */
export interface Scene {
  readonly clock: VirtualClock;
  readonly chance: Chance;
  readonly server: EmulatedApiServer;
  readonly admin: KubernetesPort;
  readonly namespace: string;
  readonly referee: Referee;
  readonly members: readonly Machine[];
  paused: string | false | undefined;
  slots: number;
  /** Whether a pool of that many slots is configured; where none is, nodes go one at a time. */
  hasOwnPools: boolean;
  /** Whether all nodes are of one pool, whatever is configured. */
  readonly isOnePool: boolean;
  readonly note: (text: string) => void;
  readonly withdrawBudgets: () => Promise<void>;
  pass(ms: number): Promise<void>;
  annotate(machine: Machine, key: string, value: string | null): Promise<void>;
  configure(machine: Machine): void;
  deleteNode(machine: Machine): Promise<void>;
  remove(machine: Machine): Promise<void>;
  schedule(): Promise<void>;
}

/** Something that happens to a roll from outside. Time may pass in it. */
export interface Trouble {
  readonly name: string;
  /** How much likelier it is than others. */
  readonly weight?: number;
  readonly happen: (world: Scene, machine: Machine) => unknown;
}

const outcomes: readonly RebootOutcome[] = [
  'ignored',
  'stuck',
  'never-returns',
  'unanswered',
  'lost',
  'denied',
  'failed',
];
const partitions: readonly Partition[] = ['cut', 'silent', 'deaf'];
const minuteMs = 60_000;

export const troubles: readonly Trouble[] = [
  { name: 'wish', weight: 3, happen: (_, { need }) => need.want(['linux-image']) },
  { name: 'wish of all', happen: (world) => world.members.forEach(({ need }) => need.want([])) },
  { name: 'wish withdrawn', happen: (_, { need }) => need.clear() },
  { name: 'wish that outlives boots', happen: (_, { need }) => void (need.outlivesBoots = true) },
  {
    name: 'wish that cannot be seen',
    happen: ({ clock, chance }, { need }) => {
      need.problem = unseen;
      void clock.sleep(chance.between(1, minuteMs)).then(() => void (need.problem = undefined));
    },
  },
  {
    name: 'agent killed',
    weight: 2,
    happen: async (world, machine) => {
      machine.crash();
      await world.pass(world.chance.between(1, 30_000));
      machine.start();
    },
  },
  {
    name: 'agent of another version',
    weight: 2,
    happen: async (world, machine) => {
      machine.crash();
      await world.pass(world.chance.between(1, 5_000));
      await rewriteRecord(world, machine);
      machine.start();
    },
  },
  { name: 'power cut', happen: (_, { host }) => void host.powerCycle() },
  {
    name: 'reboot that goes wrong',
    weight: 3,
    happen: ({ chance, note }, { host, name }) => {
      const outcome = chance.pick(outcomes) ?? 'lost';
      host.outcomes.push(outcome);
      note(`${name} next reboot: ${outcome}`);
    },
  },
  {
    name: 'boot that is not well',
    happen: ({ clock, chance }, machine) => {
      machine.sickUntilMs = clock.monotonicMs() + chance.between(minuteMs, 10 * minuteMs);
    },
  },
  {
    name: 'watches cut',
    happen: ({ server, chance }) =>
      server.disturbWatches(chance.hits(0.5) ? 'cut' : 'expire', chance.pick(['leases', 'nodes', 'pods'])),
  },
  {
    name: 'watches silent',
    happen: ({ server, chance, referee }) => {
      referee.watchesHang = true;
      server.disturbWatches('silence', chance.pick(['leases', 'nodes']));
    },
  },
  {
    name: 'API server restarted',
    happen: async (world) => {
      world.server.faults.add({ matches: ofAgents, refuse: { status: 503 } });
      world.server.disturbWatches('cut');
      await world.pass(world.chance.between(1, 20_000));
      world.server.faults.clear();
      if (world.chance.hits(0.5)) world.server.forgetHistory();
    },
  },
  {
    name: 'API server throttles',
    happen: ({ server, chance }) =>
      server.faults.add({
        matches: ofAgents,
        times: chance.between(1, 5),
        refuse: { status: 429, retryAfterSeconds: 1 },
      }),
  },
  {
    name: 'partition',
    weight: 2,
    happen: ({ clock, chance }, { network }) => {
      network.part(chance.pick(partitions) ?? 'silent');
      void clock.sleep(chance.between(1, 2 * minuteMs)).then(() => network.heal());
    },
  },
  { name: 'hold', weight: 2, happen: async (world, machine) => await world.annotate(machine, 'hold', 'a person') },
  { name: 'hold ended', happen: async (world, machine) => await world.annotate(machine, 'hold', null) },
  {
    name: 'pause for all',
    happen: (world) => {
      world.paused = world.chance.pick(['a person', undefined]);
      void world.clock.sleep(world.chance.between(1, 2 * minuteMs)).then(() => void (world.paused = false));
    },
  },
  {
    name: 'request',
    happen: async (world, machine) => {
      const value = `${world.chance.pick(['now', 'please'])}-${world.chance.between(1, 99)}`;
      await world.annotate(machine, 'reboot', value);
    },
  },
  { name: 'cordon by an admin', happen: async (world, machine) => await cordon(world, machine) },
  {
    name: 'uncordon by an admin',
    happen: async ({ admin }, machine) => {
      if ((await machine.node()) === undefined) return;
      await admin.patch(nodes, { name: machine.name }, { type: 'merge', body: { spec: { unschedulable: null } } });
    },
  },
  {
    name: 'Lease deleted by an admin',
    happen: async ({ admin, chance, namespace }) => {
      const { items } = await admin.list(leases, { namespace }, ({ metadata }) => metadata);
      const one = chance.pick(items);
      if (one !== undefined) await admin.delete(leases, { namespace, name: one.name });
    },
  },
  { name: 'clock set', weight: 2, happen: ({ chance }, { clock }) => clock.jump(chance.between(-600_000, 600_000)) },
  {
    name: 'Node replaced',
    happen: async (world, machine) => {
      if (machine.host.state !== 'up') return;
      machine.crash();
      await world.deleteNode(machine);
      await world.pass(world.chance.between(1, 5_000));
      if (machine.host.state === 'up') await machine.register();
    },
  },
  {
    name: 'Node replaced under a running agent',
    happen: async (world, machine) => {
      await world.deleteNode(machine);
      await world.pass(world.chance.between(1, 40_000));
      if (machine.host.state === 'up') await machine.register();
    },
  },
  {
    name: 'Node replaced behind a silent watch',
    happen: async (world, machine) => {
      const { server, chance, referee } = world;
      // A new one, that has had no bookmark yet.
      server.disturbWatches('cut', 'nodes');
      await world.pass(chance.between(1, 20_000));
      referee.watchesHang = true;
      server.disturbWatches('silence', 'nodes');
      await world.deleteNode(machine);
      await world.pass(chance.between(1, 40_000));
      if (machine.host.state === 'up') await machine.register();
    },
  },
  { name: 'Node gone for good', happen: async (world, machine) => await world.remove(machine) },
  {
    name: 'number of slots changed',
    weight: 2,
    happen: (world) => {
      world.slots = world.chance.between(1, 3);
      configureAll(world);
    },
  },
  {
    name: 'pools configured, or none any more',
    happen: (world) => {
      if (!world.isOnePool) return;
      world.hasOwnPools = !world.hasOwnPools;
      configureAll(world);
    },
  },
  {
    name: 'budget in the way',
    weight: 2,
    happen: async ({ admin, chance, namespace, clock, withdrawBudgets }) => {
      const name = `budget-${chance.between(1, 1e6)}`;
      const spec = { maxUnavailable: chance.between(0, 1), selector: { matchLabels: { app: 'web' } } };
      await admin.create(budgets, namespace, { metadata: { name }, spec });
      void clock.sleep(chance.between(1, 5 * minuteMs)).then(withdrawBudgets);
    },
  },
  {
    name: 'inhibitor',
    happen: ({ clock, chance }, { host }) => {
      const end = host.inhibit({ who: 'apt', why: 'unpacking', uid: 0, pid: 1, what: 'shutdown', mode: 'block' });
      void clock.sleep(chance.between(1, 3 * minuteMs)).then(end);
    },
  },
  {
    name: 'no logind',
    happen: ({ clock, chance }, { host }) => {
      host.hasLogind = false;
      void clock.sleep(chance.between(1, minuteMs)).then(() => void (host.hasLogind = true));
    },
  },
  { name: 'better weather', happen: (_, { network }) => void (network.weather = { ...rough, lost: 0, crash: 0 }) },
  { name: 'pods scheduled', weight: 2, happen: async (world) => await world.schedule() },
];

const unseen = new NodetenderError('host/sentinel-unreadable', 'the folder cannot be read');
const ofAgents = ({ user }: Arrival): boolean => user === agentUser;

/** Only where nobody has and nothing says that ours stands: added to ours, or in its place, it cannot be told apart. */
async function cordon({ admin }: Scene, machine: Machine): Promise<void> {
  const node = await machine.node();
  if (node === undefined || node.spec?.unschedulable === true || recordOf(node)?.cordonedByUs === true) return;
  await admin.patch(nodes, { name: machine.name }, { type: 'merge', body: { spec: { unschedulable: true } } });
}

/** As another version of the agent may have written it, or nobody. */
async function rewriteRecord(world: Scene, machine: Machine): Promise<void> {
  const node = await machine.node();
  const key = annotationPrefix + nodeAnnotations.rebootStatus;
  const json = node?.metadata.annotations?.[key];
  if (node === undefined || json === undefined) return;
  const record = recordOf(node) ?? {};
  const newer = { ...record, invented: { since: 'next year' } };
  const kind = world.chance.pick(['newer', 'newer reason', 'damaged', 'absent']);
  world.note(`${machine.name} record: ${kind}`);
  switch (kind) {
    case 'newer':
      return await world.annotate(machine, nodeAnnotations.rebootStatus, JSON.stringify(newer));
    case 'newer reason': {
      const unheard = { ...newer, reason: { code: 'invented-later', text: 'for a reason of next year' } };
      return await world.annotate(machine, nodeAnnotations.rebootStatus, JSON.stringify(unheard));
    }
    case 'damaged':
      world.referee.damaged(machine.name);
      return await world.annotate(machine, nodeAnnotations.rebootStatus, json.slice(0, json.length / 2));
    case 'absent':
    case undefined:
      world.referee.damaged(machine.name);
      return await world.annotate(machine, nodeAnnotations.rebootStatus, null);
  }
}

/** Each agent reads its configuration in its own time. */
function configureAll(world: Scene): void {
  for (const machine of world.members) {
    void world.clock.sleep(world.chance.between(1, 2 * minuteMs)).then(() => world.configure(machine));
  }
}
