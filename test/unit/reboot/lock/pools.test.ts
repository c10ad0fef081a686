import { describe, expect, it } from 'vitest';

import { parseLabelSelector } from '../../../../agent/node/selectors.ts';
import { type Pool, poolOf, poolsOf, slotsOf } from '../../../../agent/reboot/lock/pools.ts';

const labels = (record: Record<string, string>): Map<string, string> => new Map(Object.entries(record));
const pool = (name: string, selector: string, count = 3): Pool => ({
  name,
  selectors: [parseLabelSelector(selector)],
  concurrency: { count },
});

describe('pools', () => {
  it('are two by default, with one node at a time in the whole cluster', () => {
    const pools = poolsOf([]);
    expect(pools.cap).toBe(1);
    expect(pools.list.map(({ name, concurrency }) => [name, concurrency])).toEqual([
      ['control-plane', { count: 1 }],
      ['default', { count: 1 }],
    ]);
  });

  it('keep control-plane nodes apart, by the old label too, whatever else matches them', () => {
    const pools = poolsOf([pool('all', 'kubernetes.io/os=linux')]);
    for (const role of ['control-plane', 'master']) {
      const node = labels({ 'kubernetes.io/os': 'linux', [`node-role.kubernetes.io/${role}`]: '' });
      expect(poolOf(pools, node).name).toBe('control-plane');
    }
  });

  it('are asked in their order, and nodes that none matches are a pool of their own', () => {
    const pools = poolsOf([pool('gpu', 'gpu'), pool('zone-a', 'zone=a')]);
    expect(poolOf(pools, labels({ gpu: 'yes', zone: 'a' })).name).toBe('gpu');
    expect(poolOf(pools, labels({ zone: 'a' })).name).toBe('zone-a');
    expect(poolOf(pools, labels({ zone: 'b' })).name).toBe('default');
  });

  it('have no cap for the cluster once configured, unless one is configured too', () => {
    expect(poolsOf([pool('gpu', 'gpu')]).cap).toBeUndefined();
    expect(poolsOf([pool('gpu', 'gpu')], 4).cap).toBe(4);
    expect(poolsOf([], 2).cap).toBe(2);
  });

  it.each([
    [{ count: 3 }, 10, 3],
    [{ count: 0 }, 10, 0],
    [{ percent: 25 }, 10, 2],
    [{ percent: 10 }, 9, 1],
    [{ percent: 100 }, 7, 7],
    [{ percent: 0 }, 100, 0],
    [{ percent: 5 }, 0, 1],
  ])('give with %o of %i nodes %i slots', (concurrency, nodes, slots) => {
    expect(slotsOf({ name: 'workers', selectors: [], concurrency }, nodes)).toBe(slots);
  });
});
