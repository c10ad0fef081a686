import type { DrainOptions } from '../drain/options.ts';
import type { Settings } from '../settings.ts';
import type { Slot } from './slot.ts';

/** A Node as the reporter sees it. */
export interface HolderNode {
  readonly name: string;
  readonly uid: string;
  readonly ready: boolean;
  /** Value of the state label; undefined while idle. */
  readonly state: string | undefined;
}

/** A slot, and what nobody but those who watch it can know. */
export interface ObservedSlot extends Slot {
  /** For how long it has been seen as it is, by a monotonic clock; undefined: it was looked at once. */
  readonly unchangedForMs?: number | undefined;
}

export type HolderProblem =
  /** Not Ready for longer than a reboot takes. */
  | 'never-came-back'
  /** Ready, and holds for longer than a whole reboot with its drain takes. */
  | 'holds-long'
  /** There is no such Node, and the garbage collector has not freed the slot. */
  | 'node-gone'
  /** The Node was registered again under its name; the garbage collector has not freed the slot. */
  | 'node-replaced'
  /** The Lease names no Node as its owner: nobody frees it but a person. */
  | 'no-owner'
  /** The node neither reboots nor wants to. */
  | 'holder-idle'
  /** Its pool is in no configuration any more; it counts in all of them. */
  | 'unknown-pool';

export interface HeldSlot {
  readonly slot: Slot;
  readonly node: string;
  readonly heldSeconds: number;
  /** The worst; undefined while all is as it should be. */
  readonly problem: { readonly code: HolderProblem; readonly text: string } | undefined;
}

export interface HolderLimits {
  /** From the holder's last write, which comes immediately before the reboot, to a Ready node. */
  readonly comesBackWithinMs: number;
  /** From taking the slot to giving it back. */
  readonly holdsAtMostMs: number;
  /** What the garbage collector and an agent that starts may take before it is worth a word. */
  readonly graceMs: number;
  readonly pools: ReadonlySet<string>;
}

/** How long the longest reboot that the configuration allows may hold a slot. */
export function holdingLimits(
  { rebootDeadlineMs, verifyDeadlineMs, cordonDelayMs, hooks, rebootDelayMs, gatesPatienceMs }: Settings,
  drain: Pick<DrainOptions, 'timeoutMs'>,
): Pick<HolderLimits, 'comesBackWithinMs' | 'holdsAtMostMs'> {
  const comesBackWithinMs = rebootDeadlineMs + verifyDeadlineMs;
  const beforeMs = cordonDelayMs + hooks.timeoutMs + (drain.timeoutMs ?? Number.POSITIVE_INFINITY);
  return { comesBackWithinMs, holdsAtMostMs: beforeMs + rebootDelayMs + gatesPatienceMs + comesBackWithinMs };
}

/** The nodes that may be down for a reboot: one that has been silent for longer than it takes is as ill as any other. */
export function awayForReboot(
  slots: readonly ObservedSlot[],
  { comesBackWithinMs }: Pick<HolderLimits, 'comesBackWithinMs'>,
  nowMs: number,
): ReadonlySet<string> {
  const inTime = slots.filter((slot) => silentForMs(slot, nowMs) < comesBackWithinMs);
  return new Set(inTime.flatMap(({ holder }) => holder?.node ?? []));
}

/**
 * Every held slot and what is wrong with it, for one who speaks for those that cannot. Times are those of the holders' clocks
 * and ours: off by a skew, which is why nothing is freed for them.
 */
export function heldSlots(
  slots: readonly ObservedSlot[],
  nodes: ReadonlyMap<string, HolderNode>,
  limits: HolderLimits,
  nowMs: number,
): HeldSlot[] {
  return slots.flatMap((slot) => {
    if (slot.holder === undefined) return [];
    const heldMs = heldForMs(slot, nowMs);
    const held = { slot, node: slot.holder.node, heldSeconds: heldMs / 1000 };
    const code = problemOf(slot, slot.holder, nodes.get(slot.holder.node), limits, nowMs);
    return [{ ...held, problem: code && { code, text: describe(code, held) } }];
  });
}

/** Since the holder has last written. */
export function silentForMs({ renewedAtMs, unchangedForMs }: ObservedSlot, nowMs: number): number {
  return Math.max(since(renewedAtMs, nowMs), unchangedForMs ?? 0);
}

function heldForMs({ acquiredAtMs, unchangedForMs }: ObservedSlot, nowMs: number): number {
  return Math.max(since(acquiredAtMs, nowMs), unchangedForMs ?? 0);
}

/** Where no time is written, or one that is yet to come, it counts from when it was first seen so. */
function since(thenMs: number | undefined, nowMs: number): number {
  return Math.max(0, nowMs - (thenMs ?? nowMs));
}

function problemOf(
  slot: ObservedSlot,
  holder: NonNullable<Slot['holder']>,
  node: HolderNode | undefined,
  limits: HolderLimits,
  nowMs: number,
): HolderProblem | undefined {
  const silentMs = silentForMs(slot, nowMs);
  if (silentMs < limits.graceMs) return undefined;
  if (holder.uid === undefined) return 'no-owner';
  if (node === undefined) return 'node-gone';
  if (node.uid !== holder.uid) return 'node-replaced';
  if (!node.ready) return silentMs >= limits.comesBackWithinMs ? 'never-came-back' : undefined;
  if (node.state === undefined) return 'holder-idle';
  if (heldForMs(slot, nowMs) >= limits.holdsAtMostMs) return 'holds-long';
  return limits.pools.has(slot.pool) ? undefined : 'unknown-pool';
}

function describe(code: HolderProblem, { slot, node, heldSeconds }: Omit<HeldSlot, 'problem'>): string {
  const minutes = Math.floor(heldSeconds / 60);
  const advice = `If it is not coming back, delete the Node, or free the slot: nodetender lock release ${slot.name}`;
  switch (code) {
    case 'never-came-back':
      return `node ${node} holds ${slot.name} for ${minutes} min and is not Ready: the roll waits for it. ${advice}`;
    case 'holds-long':
      return `node ${node} holds ${slot.name} for ${minutes} min: the roll waits for it. See what its Events say`;
    case 'node-gone':
      return `${slot.name} is held by ${node}, and there is no such Node; the garbage collector should have freed it. ${advice}`;
    case 'node-replaced':
      return `${slot.name} is held by an earlier Node ${node}; the garbage collector should have freed it. ${advice}`;
    case 'no-owner':
      return `${slot.name} is held by ${node} without a Node as its owner, so nothing frees it by itself. ${advice}`;
    case 'holder-idle':
      return `node ${node} holds ${slot.name} for ${minutes} min without a reboot under way. Does its agent run? ${advice}`;
    case 'unknown-pool':
      return `node ${node} holds ${slot.name} of pool ${slot.pool}, which no configuration has: it counts in every pool`;
  }
}
