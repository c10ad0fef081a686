import { describe, expect, it } from 'vitest';

import { viewOfReportedNode } from '../../../agent/duties/eraser/nodes.ts';
import { decodeRosters, encodeRosters, keyLength } from '../../../agent/eraser/rosters.ts';

function keyOf(index: number): string {
  return viewOfReportedNode({ metadata: { name: `n${index}`, uid: `uid ${index}`, resourceVersion: '1' } }).key;
}

function roster(count: number) {
  const nodes = new Set(Array.from({ length: count }, (_, index) => keyOf(index)));
  return { generation: 1, startedAt: '2026-01-01T00:00:00Z', nodes, skipped: new Set([keyOf(0)]) };
}

describe('the rosters on the Lease', () => {
  it('are read as they were written, for thousands of nodes', () => {
    const rosters = new Map([
      ['a', roster(5_000)],
      ['b', roster(3)],
    ]);
    expect(decodeRosters(encodeRosters(rosters))).toEqual(rosters);
    expect(roster(5_000).nodes.size).toBe(5_000);
    expect(keyOf(1)).toHaveLength(keyLength);
  });

  it('stay below what annotations may hold, and leave out what has no room', () => {
    const rosters = new Map([
      ['a', roster(9_000)],
      ['b', roster(9_000)],
      ['c', roster(2)],
    ]);
    const text = encodeRosters(rosters);
    expect(text.length).toBeLessThan(256 * 1024);
    expect([...decodeRosters(text).keys()]).toEqual(['a']);
  });

  it.each([undefined, '', '{', '[]', '{"a":{"generation":1,"startedAt":"","nodes":"short","skipped":""}}'])(
    'are none where %j stands',
    (value) => {
      expect(decodeRosters(value)).toEqual(new Map());
    },
  );
});
