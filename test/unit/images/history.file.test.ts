import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { History } from '../../../agent/images/history.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './examples.ts';
import { HistoryNode } from './historynode.ts';

const path = '/state/history.json';

describe('the file', () => {
  it('is readable whatever byte a crash cuts the write at: the old history or the new one', async () => {
    let sawOld = false;
    let sawNew = false;
    for (const unflushedRenameIsLost of [true, false]) {
      for (let steps = 0, isDone = false; !isDone; steps += 1) {
        const node = new HistoryNode();
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
    const node = new HistoryNode();
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
    await node.clock.advance(DAY_MS);
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
    const node = new HistoryNode();
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
    const node = new HistoryNode();
    node.directory.files.set(path, 'nonsense');
    const history = await node.open({ readOnly: true });
    node.look(history, ['a']);
    await history.save();
    expect([...node.directory.files]).toEqual([[path, 'nonsense']]);
  });

  it('that cannot be written is said, and the agent goes on with what it has in memory', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.directory.refuses = 'EROFS: read-only file system';
    node.look(history, ['a']);
    await history.save();
    expect(history.problem).toMatchObject({ code: 'state/unwritable', message: expect.stringContaining('EROFS') });
    await node.watch(history, ['a'], HOUR_MS);
    expect(node.ageMs(history, 'a')).toBe(HOUR_MS);

    node.directory.refuses = undefined;
    await history.save();
    expect(history.problem).toBeUndefined();
    expect((await node.open()).of('a').firstSeenMs).toBe(history.of('a').firstSeenMs);
  });

  it('is written by one save at a time', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    const first = history.save();
    node.look(history, ['a', 'b']);
    await Promise.all([first, history.save(), history.save()]);
    expect((await node.open()).size).toBe(2);
  });

  it('is whole whatever two agents on one directory write at the same time', async () => {
    const node = new HistoryNode();
    const [one, other] = [await node.open(), await node.open()];
    node.look(one, ['a']);
    node.look(other, ['a', 'b']);
    for (let round = 0; round < 3; round += 1) await Promise.all([one.save(), other.save()]);
    expect([one.problem, other.problem]).toEqual([undefined, undefined]);
    expect((await node.open()).origin).toBe('ok');
    expect([...node.directory.files.keys()]).toEqual([path]);
  });

  it('what crashes left half-written goes ten minutes later, and nothing that another agent may be writing', async () => {
    const node = new HistoryNode();
    const history = await node.open();
    node.look(history, ['a']);
    for (const nowMs of [0, 5 * MINUTE_MS]) {
      node.directory.nowMs = nowMs;
      node.directory.losePowerAfter(10);
      await history.save();
      node.directory.restart({ unflushedRenameIsLost: false });
    }
    expect(node.directory.files.size).toBe(2);
    node.directory.nowMs = 11 * MINUTE_MS;
    await history.save();
    expect([history.problem, node.directory.files.size, node.directory.files.has(path)]).toEqual([undefined, 2, true]);
    node.directory.nowMs = 16 * MINUTE_MS;
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
