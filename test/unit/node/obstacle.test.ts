import { describe, expect, it } from 'vitest';
import { exclusionsUnheard, type NodeFacts, obstacleTo } from '../../../agent/node/obstacle.ts';

const MINUTE_MS = 60_000;
const usual: NodeFacts = {
  nodeName: 'node-1',
  hold: undefined,
  pause: undefined,
  nodeExists: true,
  unread: [],
  leftOut: undefined,
  unheardMs: 2_000,
  unreachableLimitMs: 10 * MINUTE_MS,
  drain: { phase: 'calm' },
  nowMs: 1_000_000,
  settleMs: 10 * MINUTE_MS,
};

const codeOf = (facts: Partial<NodeFacts>): string | undefined => obstacleTo({ ...usual, ...facts })?.code;

describe('a cleaning may start', () => {
  it('on a node that is known, heard of, and that nobody holds or drains', () => {
    expect(obstacleTo(usual)).toBeUndefined();
  });

  it('up to the limit without a word from the API server, and not beyond', () => {
    expect(codeOf({ unheardMs: 10 * MINUTE_MS })).toBeUndefined();
    expect(codeOf({ unheardMs: 10 * MINUTE_MS + 1 })).toBe('unreachable');
    expect(codeOf({ unheardMs: 1e12, unreachableLimitMs: Number.POSITIVE_INFINITY })).toBeUndefined();
  });
});

describe('a cleaning may not start', () => {
  it.each<[string, Partial<NodeFacts>]>([
    ['held', { hold: '' }],
    ['paused', { pause: '' }],
    ['no-node', { nodeExists: false }],
    ['not-read', { unread: ['its pods'] }],
    ['filtered', { leftOut: 'why' }],
    ['draining', { drain: { phase: 'draining', seen: true } }],
    ['settling', { drain: { phase: 'settling', calmSinceMs: undefined } }],
    ['settling', { drain: { phase: 'settling', calmSinceMs: 999_999 } }],
  ])('%s: %j', (code, facts) => {
    expect(codeOf(facts)).toBe(code);
  });

  it('before everything has been read, however long the API server may be away', () => {
    expect(codeOf({ unread: ['its pods'], unheardMs: 0, unreachableLimitMs: Number.POSITIVE_INFINITY })).toBe(
      'not-read',
    );
  });

  it('for the first reason of several, a person’s before all', () => {
    const all: Partial<NodeFacts> = {
      hold: 'h',
      pause: 'p',
      unread: ['x'],
      leftOut: 'l',
      drain: { phase: 'draining', seen: true },
    };
    expect(codeOf(all)).toBe('held');
    expect(codeOf({ ...all, hold: undefined })).toBe('paused');
    expect(codeOf({ ...all, hold: undefined, pause: undefined })).toBe('not-read');
    expect(codeOf({ ...all, hold: undefined, pause: undefined, unread: [] })).toBe('filtered');
  });
});

describe('exclusion lists', () => {
  it('that may have changed without our knowing for too long are an obstacle, whose reason names the namespaces', () => {
    expect(exclusionsUnheard([], MINUTE_MS)).toBeUndefined();
    expect(exclusionsUnheard(['namespace a (not granted)', 'namespace b'], 10 * MINUTE_MS)).toEqual({
      code: 'unreachable',
      reason:
        'exclusion lists not followed for longer than cluster.unreachableLimit, which is 10 minutes: namespace a (not granted), namespace b',
    });
  });
});

describe('the reason', () => {
  const reasonOf = (facts: Partial<NodeFacts>): string => obstacleTo({ ...usual, ...facts })?.reason ?? '';

  it('quotes the person who holds or pauses, as far as it fits', () => {
    expect(reasonOf({ hold: 'disk is moved' })).toBe('node node-1 is held: disk is moved');
    expect(reasonOf({ pause: ' ' })).toBe('cleaning is paused on all nodes');
    expect(reasonOf({ hold: 'x'.repeat(100_000) }).length).toBeLessThan(300);
    expect(reasonOf({ hold: 'a\u001B[31m\nb' })).toBe('node node-1 is held: a [31m b');
  });

  it('says which setting leaves the node out, and why', () => {
    expect(reasonOf({ leftOut: 'it is selected by "spot"' })).toBe(
      'cluster.nodeFilter leaves node node-1 out: it is selected by "spot"',
    );
  });

  it('says of pods that they leave only where they have been seen to', () => {
    expect(reasonOf({ drain: { phase: 'draining', seen: true } })).toBe(
      'node node-1 is cordoned and its pods leave or have left',
    );
    expect(reasonOf({ drain: { phase: 'draining', seen: false } })).toBe(
      'node node-1 is cordoned and its pods may have left before the agent looked',
    );
  });

  it('says how long it takes, in minutes', () => {
    const drain = { phase: 'settling', calmSinceMs: usual.nowMs - 90_000 } as const;
    expect(reasonOf({ drain })).toContain('Ready for 10 minutes, which takes 9 minutes more');
  });
});
