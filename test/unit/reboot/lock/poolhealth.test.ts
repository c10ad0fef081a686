import { describe, expect, it } from 'vitest';

import { judgePool, type PoolHealthSettings, type PoolNode } from '../../../../agent/reboot/lock/poolhealth.ts';

const settings: PoolHealthSettings = { maxUnhealthy: undefined, countCordoned: false };
const node = (name: string, over: Partial<PoolNode> = {}): PoolNode => ({
  name,
  ready: true,
  cordonedBy: 'nobody',
  isRebooting: false,
  ...over,
});
const pool = (size: number, ...ill: PoolNode[]): PoolNode[] => [
  ...ill,
  ...Array.from({ length: size - ill.length }, (_, index) => node(`well-${index}`)),
];
const down = (name: string): PoolNode => node(name, { ready: false });

describe('the health of a pool', () => {
  it('allows by default one node that is not Ready, or a tenth of a large pool', () => {
    expect(judgePool(pool(5, down('a')), 'asker', settings)).toEqual({ kind: 'healthy' });
    expect(judgePool(pool(5, down('a'), down('b')), 'asker', settings)).toMatchObject({
      kind: 'unhealthy',
      nodes: ['a', 'b'],
    });
    expect(judgePool(pool(29, down('a'), down('b')), 'asker', settings)).toEqual({ kind: 'healthy' });
    expect(judgePool(pool(29, down('a'), down('b'), down('c')), 'asker', settings)).toMatchObject({
      kind: 'unhealthy',
    });
  });

  it('never counts the node that asks', () => {
    const strict = { ...settings, maxUnhealthy: { count: 0 } };
    expect(judgePool(pool(3, down('asker')), 'asker', strict)).toEqual({ kind: 'healthy' });
  });

  it('does not count a node away for its reboot, and does when that takes too long', () => {
    const strict = { ...settings, maxUnhealthy: { count: 0 } };
    const away = node('a', { ready: false, cordonedBy: 'us', isRebooting: true });
    expect(judgePool(pool(3, away), 'asker', strict)).toEqual({ kind: 'healthy' });
    expect(judgePool(pool(3, { ...away, isRebooting: false }), 'asker', strict)).toMatchObject({ nodes: ['a'] });
  });

  it('counts nodes that somebody else has cordoned only where asked to', () => {
    const strict = { maxUnhealthy: { percent: 10 }, countCordoned: false };
    const cordoned = pool(4, node('a', { cordonedBy: 'others' }), node('b', { cordonedBy: 'us' }));
    expect(judgePool(cordoned, 'asker', strict)).toEqual({ kind: 'healthy' });
    expect(judgePool(cordoned, 'asker', { ...strict, countCordoned: true })).toMatchObject({ nodes: ['a'] });
  });

  it('says how many, how many may be, and who', () => {
    const ill = ['e', 'd', 'c', 'b', 'a'].map(down);
    expect(judgePool(pool(10, ...ill), 'asker', settings)).toMatchObject({
      reason: '5 of 10 nodes of the pool are not healthy, more than the 1 allowed: a, b, c and 2 more',
    });
  });
});
