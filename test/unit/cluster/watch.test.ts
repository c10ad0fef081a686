import { array, assert, asyncProperty, constant, constantFrom, oneof, record } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ClusterError } from '../../../agent/cluster/errors.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { Follower } from './follower.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

describe('objects that are followed', () => {
  let followed: Follower;

  beforeEach(() => {
    followed = new Follower();
  });
  afterEach(async () => {
    await followed.stop();
  });

  it('are listed once and then told as they change', async () => {
    const { server, watched } = followed;
    server.put('a');
    await followed.start();
    expect(watched.synced).toBe(true);
    server.put('b');
    server.put('a');
    server.remove('b');
    await followed.settle();
    expect(followed.told()).toEqual(['added a', 'added b', 'modified a', 'deleted b']);
    expect(followed.changes[2]).toEqual({ type: 'modified', key: 'a', value: 'a uid-1 3', before: 'a uid-1 1' });
    expect(watched.values()).toEqual(['a uid-1 3']);
    expect(server.lists).toHaveLength(1);
    expect(server.watches).toHaveLength(1);
  });

  it('are followed on after a cut from the last event or bookmark, without a list', async () => {
    const { server, clock } = followed;
    await followed.start();
    await clock.advance(MINUTE);
    server.put('a');
    await followed.settle();
    server.cut();
    await followed.settle();
    server.put('b');
    await clock.advance(2_000);
    expect(followed.told()).toEqual(['added a', 'added b']);
    await clock.advance(MINUTE);
    server.bookmark();
    await followed.settle();
    server.cut();
    await clock.advance(2_000);
    expect(server.watches.map(({ from }) => from)).toEqual(['0', '1', '3']);
    expect(server.lists).toHaveLength(1);
  });

  it('are listed again when their past is gone, and only the differences told', async () => {
    const { server } = followed;
    server.put('kept');
    server.put('changed');
    server.put('removed');
    await followed.start();
    server.cut(new ClusterError('cluster/gone', 'too old'));
    server.put('changed');
    server.remove('removed');
    server.put('new');
    server.forget();
    await followed.settle();
    expect(followed.told().slice(3).sort()).toEqual(['added new', 'deleted removed', 'modified changed']);
    expect(server.lists).toHaveLength(2);
  });

  it('are told once though they come twice', async () => {
    await followed.start();
    followed.server.put('a');
    followed.server.repeat();
    await followed.settle();
    expect(followed.told()).toEqual(['added a']);
  });

  it('are two when one was deleted and another made under its name while nobody looked', async () => {
    const { server } = followed;
    server.put('a');
    await followed.start();
    server.cut(new ClusterError('cluster/gone', 'too old'));
    server.remove('a');
    server.put('a');
    server.forget();
    await followed.settle();
    expect(followed.told()).toEqual(['added a', 'deleted a', 'added a']);
  });

  it('stay as last understood when one of them cannot be read, and the others go on', async () => {
    const { server, watched } = followed;
    server.put('broken');
    await followed.start();
    server.put('broken');
    server.put('b');
    await followed.settle();
    expect(watched.get('broken')).toBe('broken uid-1 1');
    expect(followed.told()).toEqual(['added broken', 'added b']);
    expect(followed.unreadable).toEqual(['nodes broken: not so']);
  });

  it('stay in force while the server is away, and are never given up', async () => {
    const { server, watched, clock } = followed;
    server.put('a');
    await followed.start();
    server.trouble = new ClusterError('cluster/unavailable', 'no connection');
    server.cut();
    await clock.advance(24 * HOUR);
    expect(watched.values()).toHaveLength(1);
    server.trouble = undefined;
    server.put('b');
    await clock.advance(MINUTE);
    expect(followed.told()).toEqual(['added a', 'added b']);
    expect(followed.health).toEqual(['cluster/unavailable', undefined]);
  });

  it('are asked for ever more slowly, up to once a minute, while that fails', async () => {
    const { server, clock } = followed;
    server.trouble = new ClusterError('cluster/forbidden', 'no');
    await followed.start();
    await clock.advance(HOUR);
    const gaps = server.lists.map((atMs, index) => atMs - (server.lists[index - 1] ?? atMs)).slice(1);
    expect(gaps.slice(0, 7)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    expect(new Set(gaps.slice(7))).toEqual(new Set([60_000]));
    expect(followed.health).toEqual(['cluster/forbidden']);
  });

  it('are asked for by different agents at different times', async () => {
    const gaps = [0, 0.99].map(async (seed) => {
      const other = new Follower(new VirtualClock(), undefined, seed);
      other.server.trouble = new ClusterError('cluster/unavailable', 'away');
      await other.start();
      await other.clock.advance(1_300);
      await other.stop();
      return Math.round(other.server.lists[1] ?? 0);
    });
    expect(await Promise.all(gaps)).toEqual([800, 1_196]);
  });

  it('are not asked for before the time that the server named', async () => {
    const { server, clock } = followed;
    server.troubles.push(new ClusterError('cluster/throttled', 'slowly', { retryAfterMs: 20_000 }));
    await followed.start();
    await clock.advance(19_999);
    expect(server.lists).toHaveLength(1);
    await clock.advance(1_001);
    expect(server.lists).toHaveLength(2);
  });

  it('are asked for within five minutes, whatever time the server named', async () => {
    const { server, clock } = followed;
    server.troubles.push(new ClusterError('cluster/throttled', 'never', { retryAfterMs: 1e15 }));
    await followed.start();
    await clock.advance(5 * MINUTE + 1_000);
    expect(server.lists).toHaveLength(2);
  });

  it('are listed anew when resuming fails again and again', async () => {
    const { server, clock } = followed;
    await followed.start();
    await clock.advance(MINUTE);
    server.troubles.push(...Array.from({ length: 5 }, () => new ClusterError('cluster/timeout', 'version too large')));
    server.cut();
    await clock.advance(2 * MINUTE);
    expect(server.lists).toHaveLength(2);
    expect(followed.health.at(-1)).toBeUndefined();
  });

  it('cost two requests an hour when nothing happens', async () => {
    await followed.start();
    await followed.clock.advance(24 * HOUR);
    expect(followed.server.lists).toHaveLength(1);
    expect(followed.server.watches.length).toBeLessThanOrEqual(24 * 1.2 + 1);
  });

  it('cost little more when a proxy ends every watch at once', async () => {
    followed.server.hasty = true;
    await followed.start();
    await followed.clock.advance(HOUR);
    expect(followed.server.requests).toBeLessThan(130);
  });

  it('cost little more when every watch ends with a past that is gone', async () => {
    const { server, clock } = followed;
    await followed.start();
    server.trouble = new ClusterError('cluster/gone', 'too old');
    server.cut();
    await clock.advance(HOUR);
    expect(server.requests).toBeLessThan(130);
  });

  it('are watched anew when the server does not end a watch that is over', async () => {
    const { server, clock } = followed;
    server.punctual = false;
    await followed.start();
    await clock.advance(HOUR + 2 * MINUTE);
    expect(server.watches).toHaveLength(2);
    expect(followed.health).toContain('cluster/timeout');
  });

  it('are watched anew when bookmarks no longer come, though the connection lives', async () => {
    const { server, clock } = followed;
    await followed.start();
    for (let minutes = 0; minutes < 20; minutes += 1) {
      server.bookmark();
      await clock.advance(MINUTE);
    }
    expect(server.watches).toHaveLength(1);
    server.stuck = true;
    server.put('a');
    await clock.advance(4 * MINUTE);
    expect([server.watches.length, followed.told()]).toEqual([1, []]);
    server.stuck = false;
    await clock.advance(MINUTE + 1_000);
    expect(followed.told()).toEqual(['added a']);
    expect(followed.health).toContain('cluster/timeout');
  });

  it('are as fresh as the last sign of life', async () => {
    const { server, clock, watched } = followed;
    expect(watched.freshAsOfMs()).toBeUndefined();
    await followed.start();
    expect(watched.freshAsOfMs()).toBe(0);
    await clock.advance(MINUTE);
    server.bookmark();
    await followed.settle();
    expect(watched.freshAsOfMs()).toBe(MINUTE);
    server.trouble = new ClusterError('cluster/unavailable', 'away');
    server.cut();
    await clock.advance(10 * MINUTE);
    expect(watched.freshAsOfMs()).toBe(MINUTE);
  });

  it('are known as soon as the first list is there', async () => {
    const { server, clock } = followed;
    server.put('a');
    server.troubles.push(new ClusterError('cluster/unavailable', 'away'));
    let known = false;
    const waiting = followed.watched.whenSynced().then(() => {
      known = true;
      return known;
    });
    await followed.start();
    expect(known).toBe(false);
    await clock.advance(1_000);
    await waiting;
    expect(followed.watched.values()).toHaveLength(1);
  });
});

it('whatever happens, every change is told once and in order, and the end is the truth', async () => {
  const names = constantFrom('a', 'b', 'c');
  const action = oneof(
    record({ do: constantFrom('put' as const, 'remove' as const), name: names }),
    record({
      do: constantFrom('cut', 'forget', 'repeat', 'bookmark', 'fail', 'wait', 'wait long' as const),
      name: constant(''),
    }),
  );
  await assert(
    asyncProperty(array(action, { maxLength: 60 }), async (actions) => {
      const follower = new Follower();
      const { server, clock } = follower;
      await follower.start();
      for (const { do: what, name } of actions) {
        if (what === 'put') server.put(name);
        else if (what === 'remove') server.remove(name);
        else if (what === 'cut') server.cut();
        else if (what === 'forget') server.forget();
        else if (what === 'repeat') server.repeat();
        else if (what === 'bookmark') server.bookmark();
        else if (what === 'fail') server.troubles.push(new ClusterError('cluster/failed', 'HTTP 500'));
        else await clock.advance(what === 'wait' ? 700 : 20 * MINUTE);
      }
      await clock.advance(2 * HOUR);
      await follower.stop();
      expect(follower.watched.values().sort()).toEqual(server.objects());
      // Told changes, one after the other, make exactly what is known.
      const rebuilt = new Map<string, string>();
      for (const change of follower.changes) {
        expect(rebuilt.get(change.key)).toBe('before' in change ? change.before : undefined);
        const value = 'value' in change ? change.value : undefined;
        expect(value).not.toBe(rebuilt.get(change.key));
        if (value === undefined) rebuilt.delete(change.key);
        else rebuilt.set(change.key, value);
      }
      expect([...rebuilt.values()].sort()).toEqual(server.objects());
    }),
    { numRuns: 200 },
  );
});
