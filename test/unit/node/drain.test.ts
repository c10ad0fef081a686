import { describe, expect, it } from 'vitest';
import { type Drain, type DrainFacts, isCordoned, nextDrain } from '../../../agent/node/drain.ts';

const settleMs = 600_000;
const usual: DrainFacts = {
  nowMs: 1_000_000,
  cordoned: false,
  ready: true,
  readyForMs: 86_400_000,
  podsLeave: false,
  settleMs,
};
const calm: Drain = { phase: 'calm' };
const draining: Drain = { phase: 'draining', seen: true };

describe('a drain', () => {
  it('is under way when pods leave a cordoned node, and neither by the one nor by the other', () => {
    expect(nextDrain(calm, { ...usual, cordoned: true })).toEqual(calm);
    expect(nextDrain(calm, { ...usual, podsLeave: true })).toEqual(calm);
    expect(nextDrain(calm, { ...usual, cordoned: true, podsLeave: true })).toEqual(draining);
  });

  it('lasts while the node is cordoned, also after the last pod', () => {
    expect(nextDrain(draining, { ...usual, cordoned: true })).toEqual(draining);
  });

  it('is over when the node has been schedulable and Ready for the time to settle', () => {
    const settling = nextDrain(draining, usual);
    expect(settling).toEqual({ phase: 'settling', calmSinceMs: usual.nowMs });
    const almost = nextDrain(settling, { ...usual, nowMs: usual.nowMs + settleMs - 1 });
    expect(almost).toEqual(settling);
    expect(nextDrain(almost, { ...usual, nowMs: usual.nowMs + settleMs })).toEqual(calm);
  });

  it('settles anew when the node is not Ready in between', () => {
    const settling: Drain = { phase: 'settling', calmSinceMs: 0 };
    const lost = nextDrain(settling, { ...usual, nowMs: 1, ready: false });
    expect(lost).toEqual({ phase: 'settling', calmSinceMs: undefined });
    const back = nextDrain(lost, { ...usual, nowMs: settleMs });
    expect(back).toEqual({ phase: 'settling', calmSinceMs: settleMs });
    expect(nextDrain(back, { ...usual, nowMs: 2 * settleMs })).toEqual(calm);
  });

  it('goes on when the node is cordoned again before it has settled', () => {
    const again = { ...usual, cordoned: true };
    expect(nextDrain({ phase: 'settling', calmSinceMs: 0 }, again)).toEqual({ phase: 'draining', seen: false });
    expect(nextDrain({ phase: 'settling', calmSinceMs: 0 }, { ...again, podsLeave: true })).toEqual(draining);
  });

  it('needs no time to settle where none is configured', () => {
    expect(nextDrain(draining, { ...usual, settleMs: 0 })).toEqual(calm);
    expect(nextDrain(draining, { ...usual, settleMs: 0, ready: false })).toMatchObject({ phase: 'settling' });
  });

  it('is settled without Ready on nodes that never report it', () => {
    const settling = nextDrain(draining, { ...usual, ready: undefined });
    expect(nextDrain(settling, { ...usual, ready: undefined, nowMs: usual.nowMs + settleMs })).toEqual(calm);
  });
});

describe('the first look at a node', () => {
  it('takes one that is cordoned for drained: the agent may start after the reboot', () => {
    expect(nextDrain(undefined, { ...usual, cordoned: true })).toEqual({ phase: 'draining', seen: false });
  });

  it('claims no eviction on one that is merely cordoned, until pods are seen to leave', () => {
    const cordoned = { ...usual, cordoned: true };
    const found = nextDrain(undefined, cordoned);
    expect(nextDrain(found, cordoned)).toEqual({ phase: 'draining', seen: false });
    const leaving = nextDrain(found, { ...cordoned, podsLeave: true });
    expect([leaving, nextDrain(leaving, cordoned)]).toEqual([draining, draining]);
  });

  it('lets one settle that became Ready a moment ago, for the rest of the time', () => {
    expect(nextDrain(undefined, { ...usual, readyForMs: 60_000 })).toEqual({
      phase: 'settling',
      calmSinceMs: usual.nowMs - 60_000,
    });
    expect(nextDrain(undefined, { ...usual, ready: false, readyForMs: 1e9 })).toEqual({
      phase: 'settling',
      calmSinceMs: undefined,
    });
  });

  it('finds nothing about one that is long Ready, or that never said', () => {
    expect(nextDrain(undefined, usual)).toEqual(calm);
    expect(nextDrain(undefined, { ...usual, ready: undefined, readyForMs: 0 })).toEqual(calm);
  });
});

describe('a node is cordoned', () => {
  it.each([
    [true, []],
    [false, ['ToBeDeletedByClusterAutoscaler']],
    [false, ['other', 'karpenter.sh/disrupted']],
  ])('by whomever: unschedulable %s, taints %j', (unschedulable, taints) => {
    expect(isCordoned({ unschedulable, taints })).toBe(true);
  });

  it('and by no other taint', () => {
    expect(isCordoned({ unschedulable: false, taints: ['node.kubernetes.io/disk-pressure', 'gpu'] })).toBe(false);
  });
});
