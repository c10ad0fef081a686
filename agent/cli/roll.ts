import { nodeAnnotations } from '../cluster/names.ts';
import type { NodeView } from '../cluster/node.ts';
import type { Config } from '../config/load.ts';
import { type Limits, shortage } from '../reboot/lock/budget.ts';
import { awayForReboot, heldSlots, holdingLimits } from '../reboot/lock/holders.ts';
import { judgePool, type PoolHealth } from '../reboot/lock/poolhealth.ts';
import { poolOf, type Pools, poolsOf, slotsOf } from '../reboot/lock/pools.ts';
import { queuedSinceMs } from '../reboot/lock/queue.ts';
import { isHeldBy } from '../reboot/lock/slot.ts';
import { describeWait } from '../reboot/lock/wording.ts';
import type { Phase, State } from '../reboot/state.ts';
import { openRequest, type RecordedLimits, recordOf } from './rebootrecord.ts';
import type { SeenSlot } from './slots.ts';

/** The part of the agents' configuration that a roll is judged by. */
export interface RollSettings extends Pick<Config['reboot'], 'pools' | 'cap' | 'settings' | 'drain' | 'gates'> {
  /** A person has given it. Else what the agents have recorded of their pools counts more. */
  readonly isGiven: boolean;
}

/** One node on its way through a reboot, or one that is in the way of others. */
export interface NodeRoll {
  readonly name: string;
  readonly pool: string;
  /** `requested`: no agent has taken the request up; `unreadable`: its record; `gone`: a slot is held by a Node that is not there. */
  readonly phase: Phase | 'requested' | 'unreadable' | 'gone';
  readonly ready: boolean;
  readonly sinceMs: number | undefined;
  /** The slot's Lease. */
  readonly slot: string | undefined;
  readonly heldSinceMs: number | undefined;
  /** In the queue for a slot of its pool, from 1. */
  readonly place: number | undefined;
  readonly need: State['need'];
  /** Why it is where it is, or what is in its way; a code of the machine's, or one of holders.ts. */
  readonly reason: { readonly code: string; readonly text: string };
  readonly failures: number;
  readonly retryAtMs: number | undefined;
}

export interface PoolRoll {
  readonly name: string;
  /** Undefined where the configuration at hand does not have the pool. */
  readonly slots: number | undefined;
  readonly held: number;
  readonly waiting: number;
  /** Wanted, and something other than a slot is missing. */
  readonly blocked: number;
  readonly failed: number;
  readonly nodes: number;
  readonly notReady: number;
  readonly health: PoolHealth;
}

export interface Roll {
  readonly pools: readonly PoolRoll[];
  /** By pool; those with a slot first, then the queue, then the others by name. */
  readonly nodes: readonly NodeRoll[];
  readonly problems: readonly string[];
}

/** What the garbage collector and an agent that starts may take before it is worth a word. */
const GRACE_MS = 2 * 60_000;

/** Who of `nodes` and the holders of `slots` is where in a reboot, and what is in the way. */
export function rollOf(
  nodes: readonly NodeView[],
  slots: readonly SeenSlot[],
  settings: RollSettings,
  nowMs: number,
): Roll {
  const pools = poolsOf(settings.pools, settings.cap);
  const members = nodes
    .map((node) => ({ node, ...recordOf(node) }))
    .map((one) => ({ ...one, pool: one.pool ?? poolOf(pools, one.node.labels).name }));
  const names = new Set([...members, ...slots].map(({ pool }) => pool));
  const troubles = troublesOf(slots, nodes, names, settings, nowMs);
  const rolls = [
    ...members.flatMap((member) => rollOfMember(member, slots, troubles)),
    ...slots.flatMap((slot) => rollOfGone(slot, nodes, troubles)),
  ];
  const sizes = new Map([...names].map((name) => [name, members.filter(({ pool }) => pool === name).length]));
  const limits = (pool: string): Limits | undefined => {
    const recorded = settings.isGiven ? undefined : newestLimits(members.filter((member) => member.pool === pool));
    return recorded === undefined
      ? limitsOf(pools, pool, sizes.get(pool) ?? 0)
      : recordedLimits(pool, recorded, new Set([...names, ...pools.list.map(({ name }) => name)]));
  };
  const queued = withPlaces(rolls).map((roll) => withShortage(roll, slots, limits(roll.pool)));
  const known = pools.list.map(({ name }) => name).filter((name) => names.has(name));
  const ordered = [...known, ...[...names].filter((name) => !known.includes(name)).sort()];
  return {
    pools: ordered.map((name) => ({
      ...countsOf(queued.filter(({ pool }) => pool === name)),
      name,
      slots: limits(name)?.slots,
      held: slots.filter(({ pool, holder }) => pool === name && holder !== undefined).length,
      ...healthOf(
        members.filter(({ pool }) => pool === name).map(({ node }) => node),
        awayForReboot(slots, holdingLimits(settings.settings, settings.drain), nowMs),
        settings,
      ),
    })),
    nodes: queued.toSorted(
      (one, other) => ordered.indexOf(one.pool) - ordered.indexOf(other.pool) || byTurn(one, other),
    ),
    problems: members.flatMap(({ problem }) => problem ?? []),
  };
}

interface Member {
  readonly node: NodeView;
  readonly state: State | undefined;
  readonly pool: string;
  readonly limits: RecordedLimits | undefined;
  readonly problem: string | undefined;
}

type Troubles = ReadonlyMap<string, NodeRoll['reason'] | undefined>;

/** What is wrong with holders, by the name of the Lease. */
function troublesOf(
  slots: readonly SeenSlot[],
  nodes: readonly NodeView[],
  pools: ReadonlySet<string>,
  { settings, drain }: RollSettings,
  nowMs: number,
): Troubles {
  const limits = { ...holdingLimits(settings, drain), graceMs: GRACE_MS, pools };
  const holders = new Map(
    nodes.map((node) => {
      const { name, uid, ready } = node;
      const phase = recordOf(node).state?.phase;
      return [name, { name, uid, ready, state: phase === 'idle' ? undefined : phase }];
    }),
  );
  return new Map(heldSlots(slots, holders, limits, nowMs).map(({ slot, problem }) => [slot.name, problem]));
}

function rollOfMember(
  { node, state, pool, problem }: Member,
  slots: readonly SeenSlot[],
  troubles: Troubles,
): NodeRoll[] {
  const slot = slots.find((one) => isHeldBy(one, node));
  const request = openRequest(node, state);
  const same = {
    name: node.name,
    pool,
    ready: node.ready,
    slot: slot?.name,
    heldSinceMs: slot?.acquiredAtMs,
    place: undefined,
    need: state?.need,
    failures: state?.failures ?? 0,
    retryAtMs: state?.retryAtMs,
  };
  const trouble = slot && troubles.get(slot.name);
  if (problem !== undefined) {
    const text = 'the record of its reboot cannot be read';
    return [{ ...same, phase: 'unreadable', sinceMs: undefined, reason: { code: 'record-damaged', text } }];
  }
  if (state !== undefined && state.phase !== 'idle') {
    const { phase, sinceMs } = state;
    // The record follows in a moment, with the answers of the gates.
    const taken = { code: 'slot-taken', text: `has taken ${slot?.name}` };
    const reason = phase === 'waiting' && slot !== undefined ? taken : state.reason;
    return [{ ...same, phase, sinceMs, reason: trouble ?? reason }];
  }
  if (request !== undefined) {
    const hold = node.annotations.get(nodeAnnotations.hold);
    const text =
      hold === undefined ? 'no agent has taken the request up' : `the node is held${hold === '' ? '' : `: ${hold}`}`;
    return [{ ...same, phase: 'requested', sinceMs: undefined, reason: { code: 'not-taken-up', text } }];
  }
  if (slot === undefined) return [];
  const reason = trouble ?? state?.reason ?? { code: 'holder-idle', text: 'its agent has recorded nothing' };
  return [{ ...same, phase: 'idle', sinceMs: state?.sinceMs, reason }];
}

/** A slot whose holder is no Node that is there. */
function rollOfGone(slot: SeenSlot, nodes: readonly NodeView[], troubles: Troubles): NodeRoll[] {
  const { holder, name, pool, acquiredAtMs } = slot;
  if (holder === undefined || nodes.some((node) => isHeldBy(slot, node))) return [];
  const isUnowned = holder.uid === undefined && nodes.some((node) => node.name === holder.node);
  const text = isUnowned
    ? 'the Lease names no Node as its owner'
    : 'there is no such Node; the garbage collector frees the slot';
  return [
    {
      name: holder.node,
      pool,
      phase: 'gone',
      ready: false,
      sinceMs: undefined,
      slot: name,
      heldSinceMs: acquiredAtMs,
      place: undefined,
      need: undefined,
      reason: troubles.get(name) ?? { code: 'node-gone', text },
      failures: 0,
      retryAtMs: undefined,
    },
  ];
}

/** In the order in which slots are handed on. */
function withPlaces(rolls: readonly NodeRoll[]): readonly NodeRoll[] {
  const queue = rolls
    .filter(({ phase, slot }) => phase === 'waiting' && slot === undefined)
    .toSorted((one, other) => (queuedSinceMs(one) ?? 0) - (queuedSinceMs(other) ?? 0) || byName(one, other));
  return rolls.map((roll) => {
    const place = queue.filter(({ pool }) => pool === roll.pool).indexOf(roll);
    return place === -1 ? roll : { ...roll, place: place + 1 };
  });
}

/** Who waits for nothing but a slot is told who has it. */
function withShortage(roll: NodeRoll, slots: readonly SeenSlot[], limits: Limits | undefined): NodeRoll {
  if (roll.place === undefined || limits === undefined) return roll;
  const missing = shortage(slots, limits);
  return { ...roll, reason: { code: missing?.code ?? 'waiting-for-slot', text: describeWait(missing, limits) } };
}

function limitsOf(pools: Pools, name: string, size: number): Limits | undefined {
  const pool = pools.list.find((one) => one.name === name);
  if (pool === undefined) return undefined;
  return { pool: name, slots: slotsOf(pool, size), cap: pools.cap, pools: new Set(pools.list.map((one) => one.name)) };
}

/** Not all agents may have the newest configuration. */
function newestLimits(members: readonly Member[]): RecordedLimits | undefined {
  return members
    .flatMap(({ limits }) => limits ?? [])
    .reduce<RecordedLimits | undefined>(
      (newest, one) => (newest === undefined || one.writtenAtMs > newest.writtenAtMs ? one : newest),
      undefined,
    );
}

function recordedLimits(pool: string, { slots, cap }: RecordedLimits, pools: ReadonlySet<string>): Limits | undefined {
  return slots === undefined ? undefined : { pool, slots, cap, pools };
}

function countsOf(rolls: readonly NodeRoll[]): Pick<PoolRoll, 'waiting' | 'blocked' | 'failed'> {
  const count = (test: (roll: NodeRoll) => boolean): number => rolls.filter(test).length;
  return {
    waiting: count(({ place }) => place !== undefined),
    blocked: count(({ phase }) => phase === 'wanted' || phase === 'requested'),
    failed: count(hasFailed),
  };
}

/** Somebody should look. */
export function hasFailed({ phase, reason }: NodeRoll): boolean {
  return phase === 'backing-off' || phase === 'unreadable' || phase === 'gone' || failures.has(reason.code);
}

const failures: ReadonlySet<string> = new Set([
  'unhealthy',
  'reboot-overdue',
  'record-damaged',
  'never-came-back',
  'holds-long',
  'node-replaced',
  'no-owner',
  'holder-idle',
]);

function healthOf(
  nodes: readonly NodeView[],
  away: ReadonlySet<string>,
  { gates }: RollSettings,
): Pick<PoolRoll, 'nodes' | 'notReady' | 'health'> {
  const judged = nodes.map((node) => ({
    name: node.name,
    ready: node.ready,
    cordonedBy: cordonOf(node),
    isRebooting: away.has(node.name),
  }));
  const { maxUnhealthy, countCordoned } = gates;
  return {
    nodes: nodes.length,
    notReady: nodes.filter(({ ready }) => !ready).length,
    health: judgePool(judged, '', { maxUnhealthy, countCordoned }),
  };
}

function cordonOf(node: NodeView): 'nobody' | 'us' | 'others' {
  if (!node.unschedulable) return 'nobody';
  return recordOf(node).state?.cordonedByUs === true ? 'us' : 'others';
}

function byTurn(one: NodeRoll, other: NodeRoll): number {
  const rank = ({ slot, place, phase }: NodeRoll): number => {
    if (slot !== undefined) return 0;
    if (place !== undefined) return 1;
    return phase === 'backing-off' ? 3 : 2;
  };
  return rank(one) - rank(other) || (one.place ?? 0) - (other.place ?? 0) || byName(one, other);
}

function byName(one: NodeRoll, other: NodeRoll): number {
  return one.name < other.name ? -1 : Number(one.name > other.name);
}
