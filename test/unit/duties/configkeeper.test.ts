import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepConfig } from '../../../agent/duties/configcopy.ts';
import { ConfigKeeper } from '../../../agent/duties/configkeeper.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const DAY_MS = 24 * 3_600_000;
const path = '/etc/nodetender/config.yaml';
const keeping = (days: number): string => `images: {minUnused: ${days}d}\n`;

let directory: string;
let usual: string;
let custom: string;
let clock: VirtualClock;
let logged: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodetender-keeper-'));
  usual = join(directory, 'usual');
  custom = join(directory, 'custom');
  clock = new VirtualClock();
  logged = [];
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

function keeper(over: { path?: string; givenDirectory?: string } = {}): ConfigKeeper {
  const log = createLogger({ level: 'info', stream: { write: (line) => logged.push(line) } });
  return new ConfigKeeper({ path, givenDirectory: undefined, usualDirectory: usual, clock, log, ...over });
}

async function keep(stateDirectory: string, text: string, by = keeper()): Promise<void> {
  await by.keep({ stateDirectory, text, acceptedAtMs: clock.nowMs() });
}

async function live(alive: ConfigKeeper, forMs: number): Promise<void> {
  const stop = new AbortController();
  const ended = alive.run(stop.signal);
  await clock.advance(forMs);
  stop.abort();
  await ended;
}

/** The days of the configuration that a new life finds, or why it finds none. */
async function recalled(refused?: string, by = keeper()): Promise<number | string> {
  const found = await by.recall(refused);
  return 'why' in found ? found.why : found.config.images.minUnusedMs / DAY_MS;
}

describe('the configuration in force, of a file that names a state directory', () => {
  it('is found though the file cannot be read', async () => {
    await keep(custom, keeping(30));
    expect(await recalled()).toBe(30);
    expect(await recalled('}: broken')).toBe(30);
  });

  it('is found in place of the one before it, which was kept in the usual directory', async () => {
    await keep(usual, keeping(1));
    await clock.advance(1000);
    await keep(custom, keeping(30));
    expect(await recalled()).toBe(30);
    expect(await readFile(join(usual, 'last-good-config.json'), 'utf8')).not.toContain('minUnused');
  });

  it('is found in place of the one before it, whichever directory the refused text names', async () => {
    await keep(join(directory, 'earlier'), keeping(1));
    await clock.advance(1000);
    await keep(custom, keeping(30));
    expect(await recalled(`stateDirectory: ${join(directory, 'earlier')}\nkep: 1\n`)).toBe(30);
  });

  it('is no longer what is found when the usual directory is named again', async () => {
    await keep(custom, keeping(30));
    await clock.advance(1000);
    await keep(usual, keeping(1));
    expect(await recalled()).toBe(1);
  });

  it('takes nothing from another agent that keeps its own in the usual directory', async () => {
    const other = '/etc/nodetender/other.yaml';
    await keep(usual, keeping(1), keeper({ path: other }));
    await keep(custom, keeping(30));
    expect(await recalled(undefined, keeper({ path: other }))).toBe(1);
    expect(await recalled(`stateDirectory: ${custom}\nkep: 1\n`)).toBe(30);
    expect(logged.join('')).toContain(`"hasThatOf":"${other}"`);
    expect(logged.join('')).toMatch(/use --state-dir/);
  });

  it('is kept although no word of it can be left in the usual directory, and that is said', async () => {
    await writeFile(usual, 'no directory');
    await keep(custom, keeping(30));
    expect(await recalled(`stateDirectory: ${custom}\nkep: 1\n`)).toBe(30);
    expect(logged.join('')).toMatch(/use --state-dir/);
  });
});

describe('the configuration in force, of a file that has come to name a state directory which cannot be written', () => {
  it.each(['usual', 'earlier'])('is kept in that of this life, %s, in place of the one before it', async (own) => {
    await writeFile(custom, 'no directory');
    const alive = keeper();
    await keep(join(directory, own), keeping(1), alive);
    await clock.advance(1000);
    await keep(custom, keeping(30), alive);
    expect(logged.join('')).toMatch(/could not be kept there/);
    expect(await recalled()).toBe(30);
    expect(await recalled(`stateDirectory: ${custom}\nkep: 1\n`)).toBe(30);
  });
});

describe('the configuration in force, of an agent whose command line names the state directory', () => {
  it('is sought there and nowhere else', async () => {
    await keep(usual, keeping(1));
    expect(await recalled(undefined, keeper({ givenDirectory: custom }))).toMatch(/^there is no .*custom/);
    await keep(custom, keeping(30), keeper({ givenDirectory: custom }));
    expect(await recalled(undefined, keeper({ givenDirectory: custom }))).toBe(30);
    expect(await recalled()).toBe(1);
  });
});

it('a damaged copy is not quoted: a URL in it may be a secret', async () => {
  await keep(usual, keeping(30));
  await writeFile(join(usual, 'last-good-config.json'), '{"format": slack://SECRET');
  expect(await recalled()).toMatch(/last-good-config\.json: expected JSON, found something else$/);
});

describe('the age of what is kept', () => {
  it('is a month at most: what was in force before that is of an earlier installation', async () => {
    await keep(usual, keeping(30));
    await clock.advance(30 * DAY_MS);
    expect(await recalled()).toBe(30);
    await clock.advance(1);
    expect(await recalled()).toMatch(/last in force at .*, more than 30 days ago/);
  });

  it('counts from when it was accepted where an earlier agent has kept it', async () => {
    await keepConfig(usual, { path, text: keeping(30), acceptedAtMs: clock.nowMs() });
    expect(await recalled()).toBe(30);
    await clock.advance(30 * DAY_MS + 1);
    expect(await recalled()).toMatch(/more than 30 days ago/);
  });

  it('is not counted from a clock that had yet to be set', async () => {
    const setMs = clock.nowMs();
    clock.jump(-setMs);
    const stop = new AbortController();
    const alive = keeper();
    await keep(usual, keeping(30), alive);
    const ended = alive.run(stop.signal);
    await clock.advance(60_000);
    clock.jump(setMs);
    await clock.advance(10 * 60_000);
    stop.abort();
    await ended;
    expect(await recalled()).toBe(30);
  });

  describe('of a clock that was once far ahead', () => {
    const aheadMs = 12 * 365 * DAY_MS;
    const tooOld = /more than 30 days ago/;

    it('counts from when that clock was set', async () => {
      clock.jump(aheadMs);
      const alive = keeper();
      await keep(usual, keeping(30), alive);
      clock.jump(-aheadMs);
      await live(alive, 10 * 60_000);
      clock.jump(30 * DAY_MS);
      expect(await recalled()).toBe(30);
      clock.jump(1);
      expect(await recalled()).toMatch(tooOld);
    });

    it('counts from the day after which the next life believes its own', async () => {
      const setMs = clock.nowMs();
      const alive = keeper();
      await alive.keep({
        stateDirectory: usual,
        text: keeping(30),
        acceptedAtMs: setMs,
        inForceAtMs: setMs + aheadMs,
      });
      await live(alive, DAY_MS);
      clock.jump(30 * DAY_MS + 1);
      expect(await recalled()).toMatch(tooOld);
    });
  });

  it('counts from what the life before knew while the clock has yet to be set', async () => {
    const setMs = clock.nowMs();
    clock.jump(-setMs);
    const alive = keeper();
    await alive.keep({ stateDirectory: usual, text: keeping(30), acceptedAtMs: setMs, inForceAtMs: setMs });
    await live(alive, DAY_MS - 1);
    clock.jump(setMs);
    expect(await recalled()).toBe(30);
  });

  it('does not grow while it is in force, however long ago it was accepted', async () => {
    const acceptedAtMs = clock.nowMs();
    const alive = keeper();
    await keep(custom, keeping(30), alive);
    clock.jump(20 * DAY_MS);
    await live(alive, DAY_MS);
    clock.jump(20 * DAY_MS);
    expect(await keeper().recall(undefined)).toMatchObject({ text: keeping(30), acceptedAtMs });
  });
});
