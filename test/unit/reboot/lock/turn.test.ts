import { describe, expect, it } from 'vitest';

import { type Opening, turnOf } from '../../../../agent/reboot/lock/turn.ts';
import { slot } from './slots.ts';

const names = ['nodetender-workers-0', 'nodetender-workers-1'];
const opening = (over: Partial<Opening> = {}): Opening => ({ sinceMs: 10_000, wasThere: false, draw: 0.5, ...over });
const hint = (nodes: string[], waiting = nodes.length) => ({ hint: { nodes, waiting } });

describe('the turn at a free slot', () => {
  it('is at once for the first one named, and a moment later for each after it', () => {
    const given = [slot('workers-0', { ...hint(['a', 'b', 'c']), seenAtMs: 10_000 })];
    const atMs = ['a', 'b', 'c'].map((node) => turnOf(node, names.slice(0, 1), given, opening())?.atMs);
    expect(atMs).toEqual([10_000, 11_000, 12_000]);
  });

  it('comes for the others when those named have had the time to take it', () => {
    const given = [slot('workers-0', { ...hint(['a', 'b', 'c'], 1_000), seenAtMs: 10_000 })];
    const first = turnOf('d', names.slice(0, 1), given, opening({ draw: 0 }));
    const last = turnOf('d', names.slice(0, 1), given, opening({ draw: 0.999 }));
    expect(first?.atMs).toBeGreaterThan(12_000);
    // Wide enough for a thousand who see each other's writes.
    expect((last?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(40_000);
  });

  it('comes for everybody without any hint, as when the garbage collector freed it', () => {
    const atMs = turnOf('d', names, [], opening())?.atMs ?? 0;
    expect(atMs).toBeGreaterThan(10_000);
    expect(atMs).toBeLessThan(30_000);
  });

  it('is drawn, without waiting for anybody named, where the slot has long been free', () => {
    const given = [slot('workers-0', { ...hint([], 0), seenAtMs: 0 })];
    const wasThere = (draw: number) => turnOf('d', names, given, opening({ wasThere: true, draw }))?.atMs;
    expect(wasThere(0)).toBe(10_000);
    expect(wasThere(0.5)).toBe(15_000);
  });

  it('is at the slot that names the node', () => {
    const given = [slot('workers-0', hint(['a', 'b'])), slot('workers-1', hint(['b']))];
    expect(turnOf('b', names, given, opening())).toEqual({ slot: 'nodetender-workers-1', atMs: 10_000 });
  });

  it('is at a slot of the own pool where that of another pool made room under the cap', () => {
    const given = [slot('control-plane-0', hint(['a']))];
    expect(turnOf('a', names, given, opening())).toEqual({ slot: 'nodetender-workers-0', atMs: 10_000 });
  });

  it('is none where no slot is free', () => {
    const given = [slot('workers-0', { heldBy: 'x' }), slot('workers-1', { heldBy: 'y' })];
    expect(turnOf('a', names, given, opening())).toBeUndefined();
  });
});
