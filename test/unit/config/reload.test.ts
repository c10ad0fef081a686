import { mkdir, mkdtemp, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../agent/clock.ts';
import type { Clock } from '../../../agent/clock.ts';
import type { Config } from '../../../agent/config/load.ts';
import { watchConfig } from '../../../agent/config/reload.ts';
import type { NodetenderError } from '../../../agent/errors.ts';

type News = { accepted: Config } | { refused: NodetenderError };

/** What the watch has told and nobody has read yet; reading waits for the next. */
class Mailbox {
  #unread: News[] = [];
  #reader: ((news: News) => void) | undefined;

  put(news: News): void {
    if (this.#reader) this.#reader(news);
    else this.#unread.push(news);
    this.#reader = undefined;
  }

  async next(): Promise<News> {
    return this.#unread.shift() ?? new Promise((resolve) => (this.#reader = resolve));
  }

  async accepted(): Promise<Config> {
    const news = await this.next();
    if ('refused' in news) throw news.refused;
    return news.accepted;
  }

  async refused(): Promise<NodetenderError> {
    const news = await this.next();
    if ('accepted' in news) throw new Error(`accepted: ${JSON.stringify(news.accepted)}`);
    return news.refused;
  }

  get unread(): number {
    return this.#unread.length;
  }
}

/** A clock whose sleeps end by their signal, or when the test says so. */
class HeldClock implements Clock {
  readonly #sleepers: { readonly ms: number; readonly wake: () => void }[] = [];
  #waiting: (() => void) | undefined;
  #released = false;

  nowMs(): number {
    return 0;
  }

  monotonicMs(): number {
    return 0;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    if (this.#released) return setImmediate();
    await new Promise<void>((wake) => {
      signal?.addEventListener('abort', () => wake());
      this.#sleepers.push({ ms, wake });
      this.#waiting?.();
    });
  }

  /** Waits until somebody sleeps for `ms`; they are still asleep when it resolves to what wakes them. */
  async sleepOf(ms: number): Promise<() => void> {
    for (;;) {
      const index = this.#sleepers.findIndex((sleeper) => sleeper.ms === ms);
      const [sleeper] = index === -1 ? [] : this.#sleepers.splice(index, 1);
      if (sleeper) return sleeper.wake;
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }

  /** From now on all time passes at once. */
  release(): void {
    this.#released = true;
    for (const { wake } of this.#sleepers) wake();
  }
}

let directory: string;
let path: string;
let news: Mailbox;
let end: AbortController;
let ended: Promise<void>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodetender-reload-'));
  path = join(directory, 'nodetender.yaml');
  news = new Mailbox();
  end = new AbortController();
  ended = Promise.resolve();
});

afterEach(async () => {
  end.abort();
  await ended;
  await rm(directory, { recursive: true });
});

/** Watches `path`. By default only events bring about a look. */
async function start(options: { clock?: Clock; lookEveryMs?: number } = {}) {
  const watch = await watchConfig({
    path,
    onChange: (accepted) => news.put({ accepted }),
    onRefused: (refused) => news.put({ refused }),
    clock: systemClock,
    signal: end.signal,
    settleMs: 10,
    lookEveryMs: 3_600_000,
    ...options,
  });
  ({ ended } = watch);
  return watch;
}

const setting = (days: number): string => `images: {minUnused: ${days}d}\n`;
const daysOf = (config: Config): number => config.images.minUnusedMs / 86_400_000;

/** As the kubelet does it: a new directory, then one link replaced under all files at once. */
async function mountConfigMap(revision: string, content: string): Promise<void> {
  await mkdir(join(directory, `..${revision}`));
  await writeFile(join(directory, `..${revision}`, 'nodetender.yaml'), content);
  await symlink(`..${revision}`, join(directory, '..data_tmp'));
  await rename(join(directory, '..data_tmp'), join(directory, '..data'));
}

describe('a watched configuration', () => {
  it('is what the file says to begin with, and nothing is told before it changes', async () => {
    await writeFile(path, setting(1));
    const { beginning } = await start();
    expect(daysOf(beginning.config)).toBe(1);
    expect(news.unread).toBe(0);
  });

  it('is refused at the start when there is nothing good to begin with', async () => {
    await expect(start()).rejects.toMatchObject({ code: 'config/unreadable' });
    await writeFile(path, 'imagse: {}');
    await expect(start()).rejects.toMatchObject({ code: 'config/invalid' });
  });

  it('changes with a file written in place', async () => {
    await writeFile(path, setting(1));
    await start();
    await writeFile(path, setting(2));
    expect(daysOf(await news.accepted())).toBe(2);
  });

  it('changes with a file put in its place by a rename, time and again', async () => {
    await writeFile(path, setting(1));
    await start();
    for (const days of [2, 3, 4]) {
      await writeFile(join(directory, 'new'), setting(days));
      await rename(join(directory, 'new'), path);
      expect(daysOf(await news.accepted())).toBe(days);
    }
  });

  it('changes with a mounted ConfigMap, time and again', async () => {
    await mountConfigMap('2026_01', setting(1));
    await symlink('..data/nodetender.yaml', path);
    expect(daysOf((await start()).beginning.config)).toBe(1);
    for (const days of [2, 3, 4]) {
      await mountConfigMap(`2026_0${days}`, setting(days));
      expect(daysOf(await news.accepted())).toBe(days);
      await rm(join(directory, `..2026_0${days - 1}`), { recursive: true });
    }
    expect(news.unread).toBe(0);
  });

  it('stays in force while the file is bad, and the fields are told; a good file is taken up again', async () => {
    await writeFile(path, setting(1));
    await start();
    await writeFile(path, 'images: {minUnused: soon, kep: []}');
    const refusal = await news.refused();
    expect(refusal.code).toBe('config/invalid');
    expect(refusal.message).toContain('images.minUnused (line 1): expected a duration');
    expect(refusal.message).toContain('images.kep (line 1): unknown; did you mean keep?');
    await writeFile(path, setting(2));
    expect(daysOf(await news.accepted())).toBe(2);
  });

  it('stays in force while the file is gone or empty, and that is told; its return is told too', async () => {
    await writeFile(path, setting(1));
    await start();
    await rm(path);
    expect((await news.refused()).code).toBe('config/unreadable');
    await writeFile(path, '');
    expect((await news.refused()).message).toContain('empty');
    await writeFile(path, setting(1));
    expect(daysOf(await news.accepted())).toBe(1);
  });
});

describe('a look at the file', () => {
  it('comes without any event too', async () => {
    const clock = new HeldClock();
    // The file is a link out of the watched directory, which gives no event.
    const elsewhere = await mkdtemp(join(tmpdir(), 'nodetender-reload-'));
    try {
      await writeFile(join(elsewhere, 'real.yaml'), setting(1));
      await symlink(join(elsewhere, 'real.yaml'), path);
      await start({ clock, lookEveryMs: 60_000 });
      await writeFile(join(elsewhere, 'real.yaml'), setting(2));
      await clock.sleepOf(60_000);
      clock.release();
      expect(daysOf(await news.accepted())).toBe(2);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('comes at once when it is asked for', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'nodetender-reload-'));
    try {
      await writeFile(join(elsewhere, 'real.yaml'), setting(1));
      await symlink(join(elsewhere, 'real.yaml'), path);
      const { lookNow } = await start();
      await writeFile(join(elsewhere, 'real.yaml'), setting(2));
      lookNow();
      expect(daysOf(await news.accepted())).toBe(2);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('tells nothing when the text is the same, whatever events there were', async () => {
    await writeFile(path, setting(1));
    await start();
    await writeFile(path, setting(1));
    await writeFile(join(directory, 'new'), setting(1));
    await rename(join(directory, 'new'), path);
    await writeFile(path, setting(2));
    expect(daysOf(await news.accepted())).toBe(2);
    expect(news.unread).toBe(0);
  });

  it('takes no half-written file for the new one', async () => {
    const clock = new HeldClock();
    await writeFile(path, 'images: {keep: ["registry.example/*", "other.example/*"]}\n');
    const { lookNow } = await start({ clock });
    const writer = await open(path, 'w');
    // Good as it stands, with one rule less than is meant.
    await writer.write('images:\n  keep:\n    - registry.example/*\n');
    lookNow();
    const wake = await clock.sleepOf(10);
    await writer.write('    - another.example/*\n');
    await writer.close();
    wake();
    (await clock.sleepOf(10))();
    const { images } = await news.accepted();
    expect(images.keep.map(({ text }) => text)).toEqual(['registry.example/*', 'another.example/*']);
    expect(news.unread).toBe(0);
  });
});

describe('the end of the watch', () => {
  it('comes with its signal, and nothing is told after it', async () => {
    await writeFile(path, setting(1));
    const watch = await start();
    end.abort();
    await watch.ended;
    await writeFile(path, setting(2));
    watch.lookNow();
    expect(news.unread).toBe(0);
  });
});
