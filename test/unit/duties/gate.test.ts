import { describe, expect, it } from 'vitest';
import { Gate } from '../../../agent/duties/gate.ts';
import type { Obstacle } from '../../../agent/node/obstacle.ts';

const held: Obstacle = { code: 'held', reason: 'node node-1 is held' };
const draining: Obstacle = { code: 'draining', reason: 'pods leave' };

describe('the gate', () => {
  it('is open while nobody speaks against it, as outside of a cluster', async () => {
    const gate = new Gate();
    expect(gate.obstacle).toBeUndefined();
    await gate.whenOpen(new AbortController().signal);
    expect(gate.whileOpen.aborted).toBe(false);
  });

  it('is closed while any source has an obstacle', async () => {
    const gate = new Gate();
    gate.set('node', held);
    gate.set('exclusions', draining);
    gate.set('node', undefined);
    expect(gate.obstacle).toBe(draining);
    let isOpen = false;
    const opens = gate.whenOpen(new AbortController().signal).then(() => (isOpen = true));
    await Promise.resolve();
    expect(isOpen).toBe(false);
    gate.set('exclusions', undefined);
    await opens;
    expect(gate.obstacle).toBeUndefined();
  });

  it('stops what runs when it closes, and nothing that begins after it has opened again', () => {
    const gate = new Gate();
    const before = gate.whileOpen;
    gate.set('node', held);
    expect(before.aborted).toBe(true);
    expect(gate.whileOpen.aborted).toBe(true);
    gate.set('node', undefined);
    expect(gate.whileOpen.aborted).toBe(false);
  });

  it('tells when the kind of obstacle changes, and not with every look', () => {
    const gate = new Gate();
    const told: (string | undefined)[] = [];
    gate.onChange(() => told.push(gate.obstacle?.code));
    gate.set('node', held);
    gate.set('node', { ...held, reason: 'another' });
    gate.set('node', draining);
    gate.set('node', undefined);
    gate.set('node', undefined);
    expect(told).toEqual(['held', 'draining', undefined]);
  });

  it('lets go of who waits when that is stopped', async () => {
    const gate = new Gate();
    gate.set('node', held);
    const stop = new AbortController();
    const waits = gate.whenOpen(stop.signal);
    stop.abort();
    await waits;
    expect(gate.obstacle).toBe(held);
  });
});
