import type { Limits, Shortage } from './budget.ts';
import type { Slot } from './slot.ts';

/** More would not fit into an Event or a line of `kubectl describe`. */
const namedHolders = 3;

/** Why a node has no slot, for a person. */
export function describeWait(missing: Shortage | undefined, { pool, slots, cap }: Limits): string {
  switch (missing?.code) {
    case undefined:
      return `a slot of pool ${pool} is free and goes to the oldest need first`;
    case 'paused':
      return `pool ${pool} is paused: its concurrency is 0`;
    case 'pool-full':
      return `pool ${pool} lets ${slots} at a time: ${describeHolders(missing.holders)}`;
    case 'cap-reached':
      return `the cluster lets ${cap} at a time: ${describeHolders(missing.holders)}`;
  }
}

/** `node-3 holds nodetender-default-0 since 10:12 UTC`. */
export function describeHolder({ name, holder, acquiredAtMs }: Slot): string {
  if (holder === undefined) return `${name} is free`;
  const since = acquiredAtMs === undefined ? '' : ` since ${new Date(acquiredAtMs).toISOString().slice(0, 16)}Z`;
  const who = holder.node === '' ? `${name} is being deleted` : `${holder.node} holds ${name}${since}`;
  return holder.uid === undefined && holder.node !== '' ? `${who} without a Node as its owner` : who;
}

function describeHolders(holders: readonly Slot[]): string {
  const named = holders.slice(0, namedHolders).map(describeHolder).join(', ');
  return holders.length > namedHolders ? `${named} and ${holders.length - namedHolders} more` : named;
}
