import { describe, expect, it } from 'vitest';

import { excess, type Limits, shortage } from '../../../../agent/reboot/lock/budget.ts';
import { slot } from './slots.ts';

const limits: Limits = { pool: 'workers', slots: 2, cap: undefined, pools: new Set(['workers', 'gpu']) };
const held = (name: string) => slot(name, { heldBy: `holder of ${name}` });

describe('the budget', () => {
  it('lets as many slots be held as the pool has', () => {
    const two = [held('workers-0'), held('workers-1'), slot('workers-2')];
    expect(excess(two, limits)).toBeUndefined();
    expect(shortage(two.slice(1), limits)).toBeUndefined();
    expect(shortage(two, limits)).toMatchObject({ code: 'pool-full', holders: two.slice(0, 2) });
  });

  it('counts slots beyond a number that was lowered', () => {
    const held7 = held('workers-7');
    expect(excess([held('workers-0'), held7], { ...limits, slots: 1 })).toMatchObject({ code: 'pool-full' });
    expect(shortage([held7], { ...limits, slots: 1 })).toMatchObject({ holders: [held7] });
  });

  it('does not count the slots of other pools, but those of pools that no configuration has', () => {
    expect(shortage([held('gpu-0'), held('gpu-1')], limits)).toBeUndefined();
    expect(shortage([held('old-0'), held('old-1')], limits)).toMatchObject({ code: 'pool-full' });
  });

  it('counts all pools under a cap for the cluster', () => {
    const capped = { ...limits, cap: 2 };
    expect(shortage([held('gpu-0')], capped)).toBeUndefined();
    expect(shortage([held('gpu-0'), held('gpu-1')], capped)).toMatchObject({ code: 'cap-reached' });
    expect(excess([held('gpu-0'), held('workers-0')], capped)).toBeUndefined();
    expect(excess([held('gpu-0'), held('gpu-1'), held('workers-0')], capped)).toMatchObject({ code: 'cap-reached' });
  });

  it('lets nobody in while the pool is paused, and those go on who are in', () => {
    expect(shortage([], { ...limits, slots: 0 })).toEqual({ code: 'paused' });
    expect(excess([], { ...limits, slots: 0 })).toBeUndefined();
  });
});
