import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../../agent/clock.ts';
import type { RebootNeed } from '../../../agent/host/port.ts';
import { Sentinel, type SentinelOptions } from '../../../agent/host/sentinel.ts';
import { VirtualClock } from '../../emulators/clock.ts';

describe('a sentinel', () => {
  let directory: string;
  let stop: AbortController;
  let following: Promise<void>;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-sentinel-'));
    stop = new AbortController();
    following = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await following;
    await rm(directory, { recursive: true });
  });

  interface Followed {
    readonly sentinel: Sentinel;
    /** Resolves when the sentinel has told a change after which `holds`. */
    readonly seen: (holds: (need: RebootNeed | undefined) => boolean) => Promise<void>;
  }

  function follow(options: Partial<SentinelOptions> & { path: string }): Followed {
    const sentinel = new Sentinel({ clock: systemClock, ...options });
    let changed = (): void => undefined;
    following = sentinel.follow(() => changed(), stop.signal);
    const seen = async (holds: (need: RebootNeed | undefined) => boolean): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      changed = () => {
        if (holds(sentinel.current())) resolve();
      };
      changed();
      await promise;
    };
    return { sentinel, seen };
  }

  const isWanted = (need: RebootNeed | undefined): boolean => need?.wanted === true;
  const isNotWanted = (need: RebootNeed | undefined): boolean => need?.wanted === false;

  it('is not known before the first look', () => {
    const path = join(directory, 'reboot-required');
    expect(new Sentinel({ path, clock: systemClock }).current()).toBeUndefined();
  });

  it.each([
    ['in a directory that is there', '', async () => undefined],
    ['in a directory that is made later', 'run/update', (path: string) => mkdir(path, { recursive: true })],
    ['behind a link, as /var/run is one', 'link', () => symlink('.', join(directory, 'link'))],
    [
      'behind a link on the way',
      'link/sub',
      async () => {
        await mkdir(join(directory, 'target/sub'), { recursive: true });
        await symlink('target', join(directory, 'link'));
      },
    ],
  ])('is seen without waiting for the next look %s, and so is its end', async (_, folder, prepare) => {
    const path = join(directory, folder, 'reboot-required');
    const clock = new VirtualClock();
    const { seen } = follow({ path, clock });
    await seen(isNotWanted);
    await prepare(join(directory, folder));
    // More than once: the first change may be seen on account of its directory.
    for (let round = 0; round < 3; round += 1) {
      await writeFile(path, '');
      await seen(isWanted);
      await rm(path);
      await seen(isNotWanted);
    }
    expect(clock.monotonicMs()).toBe(0);
  });

  it('is seen by the look every minute where events are lost', async () => {
    const clock = new VirtualClock();
    const elsewhere = await mkdtemp(join(tmpdir(), 'nodetender-elsewhere-'));
    const path = join(directory, 'run', 'reboot-required');
    await mkdir(join(directory, 'run'));
    const { sentinel, seen } = follow({ path, clock });
    await seen(isNotWanted);
    // A whole directory in the place of another: the watch is on the one that went.
    await writeFile(join(elsewhere, 'reboot-required'), '');
    await rename(join(directory, 'run'), join(directory, 'old'));
    await rename(elsewhere, join(directory, 'run'));
    await Promise.all([seen(isWanted), clock.advance(60_000)]);
    expect(sentinel.current()).toMatchObject({ wanted: true });
  });

  it('that was there before this process began is as settled as its age', async () => {
    const clock = new VirtualClock();
    const path = join(directory, 'reboot-required');
    await writeAged(path, clock.nowMs() - 600_000);
    await writeAged(`${path}.pkgs`, clock.nowMs() - 120_000);
    const { sentinel, seen } = follow({ path, clock });
    await seen(isWanted);
    expect(sentinel.current()).toMatchObject({ settledForMs: 120_000, sinceMs: clock.nowMs() - 600_000 });
  });

  it('that is put there while we watch begins to settle then, whatever time its file says', async () => {
    const clock = new VirtualClock();
    const path = join(directory, 'reboot-required');
    const { sentinel, seen } = follow({ path, clock });
    await seen(isNotWanted);
    await writeAged(path, clock.nowMs() - 600_000);
    await seen(isWanted);
    expect(sentinel.current()).toMatchObject({ settledForMs: 0 });
  });

  it('that is written again keeps its place in the queue', async () => {
    const clock = new VirtualClock();
    const path = join(directory, 'reboot-required');
    await writeAged(path, clock.nowMs() - 600_000);
    const { sentinel, seen } = follow({ path, clock });
    await seen(isWanted);
    await writeAged(path, clock.nowMs());
    await seen((need) => need?.wanted === true && need.settledForMs === 0);
    expect(sentinel.current()).toMatchObject({ sinceMs: clock.nowMs() - 600_000 });
  });

  it('from the future counts as written now', async () => {
    const clock = new VirtualClock();
    const path = join(directory, 'reboot-required');
    await writeAged(path, clock.nowMs() + 600_000);
    const { sentinel, seen } = follow({ path, clock });
    await seen(isWanted);
    expect(sentinel.current()).toMatchObject({ settledForMs: 0, sinceMs: clock.nowMs() });
  });

  it('says when it was written last, whatever has become of the clock', async () => {
    const clock = new VirtualClock();
    const path = join(directory, 'reboot-required');
    const writtenAtMs = clock.nowMs() - 600_000;
    await writeAged(path, writtenAtMs);
    clock.jump(-3_600_000);
    const { sentinel, seen } = follow({ path, clock });
    await seen(isWanted);
    expect(sentinel.current()).toMatchObject({ writtenAtMs });
    await writeAged(path, writtenAtMs + 1_000);
    await seen((need) => need?.wanted === true && need.writtenAtMs === writtenAtMs + 1_000);
  });

  it('is a file: a directory of its name is somebody else’s', async () => {
    const path = join(directory, 'reboot-required');
    await mkdir(path);
    const { sentinel, seen } = follow({ path });
    await seen((need) => need !== undefined);
    expect(sentinel.current()).toEqual({ wanted: false });
  });

  it('that cannot be looked for is not known, and the reason is', async () => {
    const path = join(directory, 'loop', 'reboot-required');
    await symlink('loop', join(directory, 'loop'));
    const { sentinel, seen } = follow({ path });
    await seen((need) => need === undefined && sentinel.problem !== undefined);
    expect(sentinel.problem).toMatchObject({
      code: 'host/sentinel-unreadable',
      message: expect.stringContaining(path),
    });
    await rm(join(directory, 'loop'));
    await seen(isNotWanted);
    expect(sentinel.problem).toBeUndefined();
  });

  async function writeAged(path: string, writtenAtMs: number): Promise<void> {
    await writeFile(path, '');
    await utimes(path, writtenAtMs / 1000, writtenAtMs / 1000);
  }
});
