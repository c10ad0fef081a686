import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { History, type HistoryOptions } from '../../../agent/images/history.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { StateDirectory } from '../../emulators/state-directory.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const path = '/state/history.json';

interface Seen {
  readonly used?: readonly string[];
  readonly nameless?: readonly string[];
  readonly complete?: boolean;
}

class Node {
  readonly clock = new VirtualClock();
  readonly directory = new StateDirectory();

  async open(options: Partial<HistoryOptions> = {}): Promise<History> {
    return await History.open({ directory: '/state', clock: this.clock, fileSystem: this.directory, ...options });
  }

  look(history: History, ids: readonly string[], { used = [], nameless = [], complete = true }: Seen = {}): void {
    history.observe({
      images: ids.map((id) => ({ id, nameless: nameless.includes(id) })),
      usedIds: new Set(used),
      complete,
    });
  }

  /** Looks every five minutes for a while, as the sampler does. */
  async watch(history: History, ids: readonly string[], forMs: number, seen: Seen = {}): Promise<void> {
    for (let passedMs = 0; passedMs < forMs; passedMs += 5 * minute) {
      await this.clock.advance(5 * minute);
      this.look(history, ids, seen);
    }
  }

  ageMs(history: History, id: string): number {
    return this.clock.nowMs() - history.of(id).firstSeenMs;
  }
}

describe('what the history remembers', () => {
  it('is current while somebody looks often enough, and not before the first look nor after a gap', async () => {
    const node = new Node();
    const history = await node.open();
    expect(history.isCurrent).toBe(false);
    node.look(history, ['a']);
    await node.clock.advance(10 * minute);
    expect(history.isCurrent).toBe(true);
    await history.save();
    await node.clock.advance(minute);
    expect((await node.open()).isCurrent).toBe(false);
    const rarely = await node.open();
    rarely.expectLooks(6 * minute);
    expect(rarely.isCurrent).toBe(true);
  });

  it('dates an image from its first look, and its last use from the last look that saw one', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    const firstSeenMs = node.clock.nowMs();
    await node.watch(history, ['a', 'b'], 10 * minute, { used: ['a'] });
    const lastUsedMs = node.clock.nowMs();
    await node.watch(history, ['a', 'b'], hour);
    expect(history.of('a')).toMatchObject({ firstSeenMs, lastUsedMs });
    expect(history.of('b')).toMatchObject({ firstSeenMs: firstSeenMs + 5 * minute, lastUsedMs: undefined });
  });

  it('counts an image it does not know as just seen', async () => {
    const node = new Node();
    expect((await node.open()).of('never heard of')).toMatchObject({ firstSeenMs: node.clock.nowMs() });
  });

  it('calls preloaded what was there at the first look ever, and nothing after it', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    node.look(history, ['a', 'b']);
    await history.save();
    const again = await node.open();
    node.look(again, ['a', 'b', 'c']);
    expect(['a', 'b', 'c'].map((id) => again.of(id).preloaded)).toEqual([true, false, false]);
  });

  it('dates namelessness from the first of the looks in a row that saw no name', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a'], { nameless: ['a'] });
    node.look(history, ['a']);
    expect(history.of('a').namelessSinceMs).toBeUndefined();
    await node.watch(history, ['a'], 5 * minute, { nameless: ['a'] });
    const sinceMs = node.clock.nowMs();
    await node.watch(history, ['a'], hour, { nameless: ['a'] });
    expect(history.of('a').namelessSinceMs).toBe(sinceMs);
  });

  it('forgets an image that is gone: pulled again, it is new', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a', 'b']);
    await node.watch(history, ['b'], hour);
    node.look(history, ['a', 'b']);
    expect(node.ageMs(history, 'a')).toBe(0);
    expect(node.ageMs(history, 'b')).toBe(hour);
  });

  it('remembers no more images than its limit; the newcomers beyond it stay just seen', async () => {
    const node = new Node();
    const history = await node.open({ limit: 2 });
    node.look(history, ['b', 'c']);
    await node.watch(history, ['a', 'b', 'c'], hour);
    expect(history.size).toBe(2);
    expect(['a', 'b', 'c'].map((id) => node.ageMs(history, id))).toEqual([0, hour, hour]);
  });
});

describe('back-off after failed removals', () => {
  it('waits 10 minutes, doubling to 24 hours, a fifth more or less', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    const waits = Array.from({ length: 12 }, () => {
      history.recordFailure('a', 'why', () => 0.5);
      return ((history.of('a').failure?.retryAtMs ?? 0) - node.clock.nowMs()) / minute;
    });
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440, 1440]);
    for (const [random, factor] of [
      [0, 0.8],
      [0.999, 1.2],
    ] as const) {
      history.recordFailure('a', 'why', () => random);
      const waitMs = (history.of('a').failure?.retryAtMs ?? 0) - node.clock.nowMs();
      expect(waitMs / day).toBeCloseTo(factor, 2);
    }
  });

  it('keeps a bounded message, and survives a restart', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    history.recordFailure('a', 'x'.repeat(10_000), () => 0.5);
    await history.save();
    expect((await node.open()).of('a').failure).toEqual({
      count: 1,
      retryAtMs: node.clock.nowMs() + 10 * minute,
      message: 'x'.repeat(500),
    });
  });
});

describe('ages are counted in time that somebody watched', () => {
  it.each([
    ['forward by ten years', 3650 * day],
    ['back by ten years', -3650 * day],
    ['back by an hour', -hour],
  ])('the wall clock jumps %s: nothing grows older or younger by it', async (_name, jumpMs) => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a'], { used: ['a'] });
    await node.watch(history, ['a'], hour);
    node.clock.jump(jumpMs);
    await node.watch(history, ['a'], hour);
    expect(node.ageMs(history, 'a')).toBe(2 * hour);
    expect(node.clock.nowMs() - (history.of('a').lastUsedMs ?? 0)).toBe(2 * hour);
  });

  it('a week in which the agent did not run adds at most ten minutes', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    await node.watch(history, ['a'], hour);
    await history.save();
    await node.clock.advance(7 * day);
    const again = await node.open();
    node.look(again, ['a']);
    expect(node.ageMs(again, 'a')).toBe(hour + 10 * minute);
  });

  it('the clock set back while the agent did not run makes nothing younger', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    await node.watch(history, ['a'], day);
    await history.save();
    node.clock.jump(-100 * day);
    const again = await node.open();
    node.look(again, ['a']);
    expect(node.ageMs(again, 'a')).toBe(day);
  });

  it('a day on which the runtime did not answer adds at most ten minutes', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    await node.clock.advance(day);
    node.look(history, ['a']);
    expect(node.ageMs(history, 'a')).toBe(10 * minute);
  });

  it('a longer interval between looks counts in full, once that is how often somebody means to look', async () => {
    const node = new Node();
    const history = await node.open();
    history.expectLooks(hour);
    node.look(history, ['a']);
    await node.clock.advance(hour);
    node.look(history, ['a']);
    await node.clock.advance(day);
    node.look(history, ['a']);
    expect(node.ageMs(history, 'a')).toBe(3 * hour);
  });

  it('looks that leave a use unexplained add nothing: it may be this image that was used', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    await node.watch(history, ['a'], day, { complete: false });
    expect(node.ageMs(history, 'a')).toBe(0);
  });

  it('a restart that takes a minute adds that minute', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    await history.save();
    await node.clock.advance(minute);
    const again = await node.open();
    node.look(again, ['a']);
    expect(node.ageMs(again, 'a')).toBe(minute);
  });

  it('a back-off never ends later than its longest, however the clock jumps', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    history.recordFailure('a', 'why', () => 0.5);
    node.clock.jump(-3650 * day);
    node.look(history, ['a']);
    const waitMs = (history.of('a').failure?.retryAtMs ?? 0) - node.clock.nowMs();
    expect(waitMs).toBe(10 * minute);
  });
});

describe('the file', () => {
  it('is readable whatever byte a crash cuts the write at: the old history or the new one', async () => {
    let sawOld = false;
    let sawNew = false;
    for (const unflushedRenameIsLost of [true, false]) {
      for (let steps = 0, isDone = false; !isDone; steps += 1) {
        const node = new Node();
        const history = await node.open();
        node.look(history, ['a']);
        await history.save();
        const oldMs = history.of('a').firstSeenMs;
        node.look(history, ['a', 'b']);
        node.directory.losePowerAfter(steps);
        await history.save();
        isDone = history.problem === undefined;
        node.directory.restart({ unflushedRenameIsLost });

        const again = await node.open();
        expect(again.origin).toBe('ok');
        expect(again.of('a').firstSeenMs).toBe(oldMs);
        if (again.size === 1) sawOld = true;
        else sawNew = true;
        // What is left of the crash is in nobody's way.
        node.look(again, ['a', 'b', 'c']);
        await again.save();
        expect([again.problem, (await node.open()).size]).toEqual([undefined, 3]);
      }
    }
    expect([sawOld, sawNew]).toEqual([true, true]);
  });

  it('that is cut short, changed by one byte, of another kind or version is set aside, and every image counts as just seen', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a'], { used: ['a'] });
    await history.save();
    const good = node.directory.files.get(path) ?? '';
    const bad = [
      ...Array.from({ length: good.length - 1 }, (_, length) => good.slice(0, length)),
      ...Array.from({ length: good.length - 1 }, (_, at) => good.slice(0, at) + flipped(good, at) + good.slice(at + 1)),
      'null',
      '[]',
      '{}',
      good.replace('"version":1', '"version":2'),
      good.replace('/history', '/schedule'),
    ];
    await node.clock.advance(day);
    for (const text of bad) {
      node.directory.files.set(path, text);
      const again = await node.open();
      expect(again.origin).toBe('corrupt');
      expect(again.problem).toMatchObject({ code: 'state/unreadable', message: expect.stringContaining(path) });
      expect(node.directory.files.get(`${path}.corrupt`)).toBe(text);
      node.look(again, ['a']);
      // Nobody can tell any more what was there from the beginning.
      expect(again.of('a')).toMatchObject({ firstSeenMs: node.clock.nowMs(), lastUsedMs: undefined, preloaded: true });
    }
  });

  it('with a right checksum but a wrong shape is refused by the field', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    node.clock.nowMs = () => Number.NaN;
    node.look(history, ['a', 'b']);
    await history.save();
    const again = await node.open();
    expect(again.origin).toBe('corrupt');
    expect(again.problem?.message).toContain('lookedAtMs');
  });

  it('stays where it is when a command beside the agent cannot use it, and the command writes nothing', async () => {
    const node = new Node();
    node.directory.files.set(path, 'nonsense');
    const history = await node.open({ readOnly: true });
    node.look(history, ['a']);
    await history.save();
    expect([...node.directory.files]).toEqual([[path, 'nonsense']]);
  });

  it('that cannot be written is said, and the agent goes on with what it has in memory', async () => {
    const node = new Node();
    const history = await node.open();
    node.directory.refuses = 'EROFS: read-only file system';
    node.look(history, ['a']);
    await history.save();
    expect(history.problem).toMatchObject({ code: 'state/unwritable', message: expect.stringContaining('EROFS') });
    await node.watch(history, ['a'], hour);
    expect(node.ageMs(history, 'a')).toBe(hour);

    node.directory.refuses = undefined;
    await history.save();
    expect(history.problem).toBeUndefined();
    expect((await node.open()).of('a').firstSeenMs).toBe(history.of('a').firstSeenMs);
  });

  it('is written by one save at a time', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    const first = history.save();
    node.look(history, ['a', 'b']);
    await Promise.all([first, history.save(), history.save()]);
    expect((await node.open()).size).toBe(2);
  });

  it('is whole whatever two agents on one directory write at the same time', async () => {
    const node = new Node();
    const [one, other] = [await node.open(), await node.open()];
    node.look(one, ['a']);
    node.look(other, ['a', 'b']);
    for (let round = 0; round < 3; round += 1) await Promise.all([one.save(), other.save()]);
    expect([one.problem, other.problem]).toEqual([undefined, undefined]);
    expect((await node.open()).origin).toBe('ok');
    expect([...node.directory.files.keys()]).toEqual([path]);
  });

  it('what crashes left half-written goes ten minutes later, and nothing that another agent may be writing', async () => {
    const node = new Node();
    const history = await node.open();
    node.look(history, ['a']);
    for (const nowMs of [0, 5 * minute]) {
      node.directory.nowMs = nowMs;
      node.directory.losePowerAfter(10);
      await history.save();
      node.directory.restart({ unflushedRenameIsLost: false });
    }
    expect(node.directory.files.size).toBe(2);
    node.directory.nowMs = 11 * minute;
    await history.save();
    expect([history.problem, node.directory.files.size, node.directory.files.has(path)]).toEqual([undefined, 2, true]);
    node.directory.nowMs = 16 * minute;
    await history.save();
    expect([...node.directory.files.keys()]).toEqual([path]);
  });
});

describe('on a real disk', () => {
  let directory: string | undefined;

  afterEach(async () => {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  it('survives a restart, creates its directory, and leaves no temporary file', async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-history-'));
    const options = { directory: join(directory, 'state'), clock: new VirtualClock() };
    const history = await History.open(options);
    expect(history.origin).toBe('fresh');
    history.observe({ images: [{ id: 'a', nameless: false }], usedIds: new Set(['a']), complete: true });
    await history.save();
    const again = await History.open(options);
    expect([again.origin, again.of('a')]).toEqual(['ok', history.of('a')]);
    expect(await readdir(options.directory)).toEqual(['history.json']);

    const file = join(options.directory, 'history.json');
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, 40));
    expect((await History.open(options)).origin).toBe('corrupt');
    expect(await readFile(`${file}.corrupt`, 'utf8')).toHaveLength(40);
  });

  it('clears what a crash left, also of an agent that knew one temporary name only', async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-history-'));
    const history = await History.open({ directory, clock: new VirtualClock() });
    history.observe({ images: [], usedIds: new Set(), complete: true });
    for (const name of [
      '.history.json.new',
      '.history.json.0a.new',
      '.schedule.json.0a.new',
      '.history.json.fresh.new',
    ]) {
      await writeFile(join(directory, name), '{');
      if (!name.includes('fresh')) await utimes(join(directory, name), new Date(0), new Date(0));
    }
    await history.save();
    const left = (await readdir(directory)).toSorted();
    expect(left).toEqual(['.history.json.fresh.new', '.schedule.json.0a.new', 'history.json']);
  });

  it('a directory that is a file is a problem, not a crash', async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-history-'));
    const file = join(directory, 'file');
    await writeFile(file, '');
    const history = await History.open({ directory: file, clock: new VirtualClock() });
    history.observe({ images: [], usedIds: new Set(), complete: true });
    await history.save();
    expect(history.problem).toMatchObject({ code: 'state/unwritable' });
  });
});

function flipped(text: string, at: number): string {
  return String.fromCodePoint((text.codePointAt(at) ?? 0) ^ 1);
}
