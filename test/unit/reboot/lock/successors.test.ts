import { describe, expect, it } from 'vitest';

import { type Pools, poolsOf } from '../../../../agent/reboot/lock/pools.ts';
import { roomAfter, slotCounts, successors, type WaitingNode } from '../../../../agent/reboot/lock/successors.ts';
import { slot } from './slots.ts';

const controlPlane = new Map([['node-role.kubernetes.io/control-plane', '']]);
const waits = (name: string, queuedSinceMs: number, labels = new Map<string, string>()): WaitingNode => ({
  name,
  labels,
  queuedSinceMs,
});

describe('the successors', () => {
  it('are the oldest needs, of one age by name, and how many wait', () => {
    const waiting = [waits('d', 4), waits('b', 1), waits('c', 2), waits('a', 2)];
    expect(successors(waiting, poolsOf([]), new Set(['default']))).toEqual({ nodes: ['b', 'a', 'c'], waiting: 4 });
  });

  it('are of the pools alone that have room', () => {
    const waiting = [waits('master', 1, controlPlane), waits('worker', 2)];
    expect(successors(waiting, poolsOf([]), new Set(['default'])).nodes).toEqual(['worker']);
    expect(successors(waiting, poolsOf([]), new Set(['default', 'control-plane'])).nodes).toEqual(['master', 'worker']);
  });
});

describe('a slot given back makes room', () => {
  const mine = slot('default-0', { heldBy: 'a' });
  const room = (pools: Pools, others: Parameters<typeof roomAfter>[1] = []): string[] => [
    ...roomAfter(mine, [mine, ...others], pools, slotCounts(pools, new Map())),
  ];
  const uncapped = (count: number): Pools => poolsOf([{ name: 'gpu', selectors: [], concurrency: { count } }]);

  it('in every pool where the cluster was at its cap', () => {
    expect(room(poolsOf([])).sort()).toEqual(['control-plane', 'default']);
  });

  it('in its own pool where there is no cap', () => {
    expect(room(uncapped(2))).toEqual(['default']);
  });

  it('nowhere while more are held than may be', () => {
    expect(room(uncapped(2), [slot('default-1', { heldBy: 'b' })])).toEqual([]);
  });

  it('in the pool that took the place of its own, when that was renamed', () => {
    const released = slot('old-0', { heldBy: 'a' });
    const pools = uncapped(1);
    const after = roomAfter(released, [released], pools, slotCounts(pools, new Map()));
    expect([...after]).toContain('gpu');
  });
});
