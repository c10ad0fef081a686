import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ImageListResult } from '../../../agent/cluster/records.ts';
import { defaultConfig } from '../../../agent/config/load.ts';
import { closed, type ReportedNode, rosterOf, tally } from '../../../agent/eraser/tally.ts';

const list = { name: 'imagelist', uid: 'a', generation: 2 };
const filter = defaultConfig.cluster.nodeFilter;
const none = new Map<string, ImageListResult['outcome']>();

function result(outcome: ImageListResult['outcome'], changes: Partial<ImageListResult> = {}): ImageListResult {
  return { uid: 'a', generation: 2, outcome, at: '2026-01-01T00:00:00Z', ...changes };
}

function node(key: string, said?: ImageListResult, labels: Record<string, string> = {}): ReportedNode {
  return {
    name: key,
    key,
    labels: new Map(Object.entries(labels)),
    annotations: new Map(),
    createdAt: '2026-01-01T00:00:00Z',
    results: new Map(said === undefined ? [] : [['imagelist', said]]),
  };
}

describe('the count of nodes', () => {
  const begun = [node('a'), node('b'), node('c', undefined, { 'eraser.sh/cleanup.filter': '' }), node('d')];
  const roster = rosterOf(begun, filter);

  it('waits for every node that is to run the list, and for no other', () => {
    expect(tally(roster, begun, list, none)).toMatchObject({ success: 0, failed: 0, skipped: 1, pending: 3 });
  });

  it('takes each node at its word', () => {
    const now = [node('a', result('success')), node('b', result('failed')), node('c'), node('d', result('skipped'))];
    expect(tally(roster, now, list, none)).toMatchObject({ success: 1, failed: 1, skipped: 2, pending: 0 });
  });

  it('ignores reports of an older generation or another object, and nodes that came later', () => {
    const now = [
      node('a', result('success', { generation: 1 })),
      node('b', result('success', { uid: 'b' })),
      node('c'),
      node('d'),
      node('e', result('success')),
    ];
    expect(tally(roster, now, list, none)).toMatchObject({ success: 0, failed: 0, skipped: 1, pending: 3 });
  });

  it('counts a node that left: by what it said before, else as failed', () => {
    const first = tally(roster, [node('a', result('success')), ...begun.slice(1)], list, none);
    const then = tally(roster, [node('d', result('success'))], list, first.reports);
    expect(then).toMatchObject({ success: 2, failed: 1, skipped: 1, pending: 0 });
  });

  it('turns those that are not heard of in time into failures', () => {
    expect(closed(tally(roster, [node('a', result('success')), ...begun.slice(1)], list, none))).toEqual({
      success: 1,
      failed: 2,
      skipped: 1,
    });
  });

  it('always sums up to the set, whatever nodes come, go and say', () => {
    const outcomes = fc.constantFrom(undefined, 'success', 'failed', 'skipped');
    const world = fc.array(fc.record({ key: fc.integer({ min: 0, max: 40 }), outcome: outcomes, held: fc.boolean() }));
    fc.assert(
      fc.property(world, world, world, (before, middle, after) => {
        const nodesOf = (of: typeof before): ReportedNode[] =>
          [...new Map(of.map((one) => [one.key, one])).values()].map(({ key, outcome, held }) => ({
            ...node(String(key), outcome === undefined ? undefined : result(outcome)),
            annotations: new Map(held ? [['hold', '']] : []),
          }));
        const set = rosterOf(nodesOf(before), filter);
        const first = tally(set, nodesOf(middle), list, none);
        const last = tally(set, nodesOf(after), list, first.reports);
        const { success, failed, skipped } = closed(last);
        expect(success + failed + skipped).toBe(set.nodes.size);
        expect(last.success).toBeLessThanOrEqual(set.nodes.size);
      }),
      { numRuns: 500 },
    );
  });
});
