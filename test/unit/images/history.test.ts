import { describe, expect, it } from 'vitest';

import { DAY_MS, HOUR_MS, MINUTE_MS } from './examples.ts';
import { HistoryNode } from './historynode.ts';

describe('what the history remembers', () => {
  it('is current while somebody looks often enough, and not before the first look nor after a gap', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    expect(history.isCurrent).toBe(false);
    node.look(history, ['a']);
    await node.clock.advance(10 * MINUTE_MS);
    expect(history.isCurrent).toBe(true);
    await history.save();
    await node.clock.advance(MINUTE_MS);
    expect((await node.open()).isCurrent).toBe(false);
    const rarely = await node.open();
    rarely.expectLooks(6 * MINUTE_MS);
    expect(rarely.isCurrent).toBe(true);
  });

  it('dates an image from its first look, and its last use from the last look that saw one', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    const firstSeenMs = node.clock.nowMs();
    await node.watch(history, ['a', 'b'], 10 * MINUTE_MS, { used: ['a'] });
    const lastUsedMs = node.clock.nowMs();
    await node.watch(history, ['a', 'b'], HOUR_MS);
    expect(history.of('a')).toMatchObject({ firstSeenMs, lastUsedMs });
    expect(history.of('b')).toMatchObject({ firstSeenMs: firstSeenMs + 5 * MINUTE_MS, lastUsedMs: undefined });
  });

  it('counts an image it does not know as just seen', async () => {
    const node = new HistoryNode();
    expect((await node.open()).of('never heard of')).toMatchObject({ firstSeenMs: node.clock.nowMs() });
  });

  it('calls preloaded what was there at the first look ever, and nothing after it', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    node.look(history, ['a', 'b']);
    await history.save();
    const again = await node.open();
    node.look(again, ['a', 'b', 'c']);
    expect(['a', 'b', 'c'].map((id) => again.of(id).preloaded)).toEqual([true, false, false]);
  });

  it('dates namelessness from the first of the looks in a row that saw no name', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a'], { nameless: ['a'] });
    node.look(history, ['a']);
    expect(history.of('a').namelessSinceMs).toBeUndefined();
    await node.watch(history, ['a'], 5 * MINUTE_MS, { nameless: ['a'] });
    const sinceMs = node.clock.nowMs();
    await node.watch(history, ['a'], HOUR_MS, { nameless: ['a'] });
    expect(history.of('a').namelessSinceMs).toBe(sinceMs);
  });

  it('forgets an image that is gone: pulled again, it is new', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a', 'b']);
    await node.watch(history, ['b'], HOUR_MS);
    node.look(history, ['a', 'b']);
    expect(node.ageMs(history, 'a')).toBe(0);
    expect(node.ageMs(history, 'b')).toBe(HOUR_MS);
  });

  it('remembers no more images than its limit; the newcomers beyond it stay just seen', async () => {
    const node = new HistoryNode();
    const history = await node.open({ limit: 2 });
    node.look(history, ['b', 'c']);
    await node.watch(history, ['a', 'b', 'c'], HOUR_MS);
    expect(history.size).toBe(2);
    expect(['a', 'b', 'c'].map((id) => node.ageMs(history, id))).toEqual([0, HOUR_MS, HOUR_MS]);
  });
});

describe('back-off after failed removals', () => {
  it('waits 10 minutes, doubling to 24 hours, a fifth more or less', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    const waits = Array.from({ length: 12 }, () => {
      history.recordFailure('a', 'why', () => 0.5);
      return ((history.of('a').failure?.retryAtMs ?? 0) - node.clock.nowMs()) / MINUTE_MS;
    });
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440, 1440]);
    for (const [random, factor] of [
      [0, 0.8],
      [0.999, 1.2],
    ] as const) {
      history.recordFailure('a', 'why', () => random);
      const waitMs = (history.of('a').failure?.retryAtMs ?? 0) - node.clock.nowMs();
      expect(waitMs / DAY_MS).toBeCloseTo(factor, 2);
    }
  });

  it('keeps a bounded message, and survives a restart', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    history.recordFailure('a', 'x'.repeat(10_000), () => 0.5);
    await history.save();
    expect((await node.open()).of('a').failure).toEqual({
      count: 1,
      retryAtMs: node.clock.nowMs() + 10 * MINUTE_MS,
      message: 'x'.repeat(500),
    });
  });
});

describe('ages are counted in time that somebody watched', () => {
  it.each([
    ['forward by ten years', 3650 * DAY_MS],
    ['back by ten years', -3650 * DAY_MS],
    ['back by an hour', -HOUR_MS],
  ])('the wall clock jumps %s: nothing grows older or younger by it', async (_name, jumpMs) => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a'], { used: ['a'] });
    await node.watch(history, ['a'], HOUR_MS);
    node.clock.jump(jumpMs);
    await node.watch(history, ['a'], HOUR_MS);
    expect(node.ageMs(history, 'a')).toBe(2 * HOUR_MS);
    expect(node.clock.nowMs() - (history.of('a').lastUsedMs ?? 0)).toBe(2 * HOUR_MS);
  });

  it('a week in which the agent did not run adds at most ten minutes', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    await node.watch(history, ['a'], HOUR_MS);
    await history.save();
    await node.clock.advance(7 * DAY_MS);
    const again = await node.open();
    node.look(again, ['a']);
    expect(node.ageMs(again, 'a')).toBe(HOUR_MS + 10 * MINUTE_MS);
  });

  it('the clock set back while the agent did not run makes nothing younger', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    await node.watch(history, ['a'], DAY_MS);
    await history.save();
    node.clock.jump(-100 * DAY_MS);
    const again = await node.open();
    node.look(again, ['a']);
    expect(node.ageMs(again, 'a')).toBe(DAY_MS);
  });

  it('a day on which the runtime did not answer adds at most ten minutes', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    await node.clock.advance(DAY_MS);
    node.look(history, ['a']);
    expect(node.ageMs(history, 'a')).toBe(10 * MINUTE_MS);
  });

  it('a longer interval between looks counts in full, once that is how often somebody means to look', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    history.expectLooks(HOUR_MS);
    node.look(history, ['a']);
    await node.clock.advance(HOUR_MS);
    node.look(history, ['a']);
    await node.clock.advance(DAY_MS);
    node.look(history, ['a']);
    expect(node.ageMs(history, 'a')).toBe(3 * HOUR_MS);
  });

  it('looks that leave a use unexplained add nothing: it may be this image that was used', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    await node.watch(history, ['a'], DAY_MS, { complete: false });
    expect(node.ageMs(history, 'a')).toBe(0);
  });

  it('a restart that takes a minute adds that minute', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    await history.save();
    await node.clock.advance(MINUTE_MS);
    const again = await node.open();
    node.look(again, ['a']);
    expect(node.ageMs(again, 'a')).toBe(MINUTE_MS);
  });

  it('a back-off never ends later than its longest, however the clock jumps', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    history.recordFailure('a', 'why', () => 0.5);
    node.clock.jump(-3650 * DAY_MS);
    node.look(history, ['a']);
    const waitMs = (history.of('a').failure?.retryAtMs ?? 0) - node.clock.nowMs();
    expect(waitMs).toBe(10 * MINUTE_MS);
  });
});
