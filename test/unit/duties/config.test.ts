import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followConfig, type LiveConfig } from '../../../agent/duties/config.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { Metrics } from '../../../agent/observe/metrics.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const DAY_MS = 24 * 3_600_000;
const bad = 'images: {kep: []}\n';
const keeping = (days: number): string => `images: {minUnused: ${days}d}\n`;
const daysOf = ({ current }: LiveConfig): number => current().images.minUnusedMs / DAY_MS;

let directory: string;
let path: string;
let stateDirectory: string;
let clock: VirtualClock;
let metrics: Metrics;
let logged: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodetender-config-'));
  path = join(directory, 'nodetender.yaml');
  stateDirectory = join(directory, 'state');
  clock = new VirtualClock();
  metrics = new Metrics({ version: 'test', commit: 'test' });
  logged = [];
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** One life of the agent, as long as its start. */
async function life(text: string, options: { at?: string; stateDirectory?: string | undefined } = {}) {
  const { at = path } = options;
  await writeFile(at, text);
  const stop = new AbortController();
  const live = await followConfig(
    {
      path: at,
      overrides: { stateDirectory: 'stateDirectory' in options ? options.stateDirectory : stateDirectory },
      usualDirectory: join(directory, 'usual'),
      clock,
      log: createLogger({ level: 'info', stream: { write: (line) => logged.push(line) } }),
      metrics,
      onChange: () => undefined,
      onRefused: () => undefined,
    },
    stop.signal,
  );
  stop.abort();
  await live.ended;
  return live;
}

async function gauge(name: string): Promise<number> {
  const { body } = await metrics.page();
  return Number(new RegExp(`^nodetender_${name} (.*)$`, 'm').exec(body)?.[1]);
}

describe('a configuration that is refused when the agent starts', () => {
  it('changes nothing of what was in force before', async () => {
    await life(keeping(30));
    const acceptedAtMs = clock.nowMs();
    await clock.advance(60_000);
    const live = await life(bad);
    expect(daysOf(live)).toBe(30);
    expect(live.refused()?.message).toMatch(/images\.kep/);
    expect(await gauge('config_valid')).toBe(0);
    expect(await gauge('config_last_accepted_timestamp_seconds')).toBe(acceptedAtMs / 1000);
  });

  it('is refused at every start anew, and what was in force stays so', async () => {
    await life(keeping(30));
    await life(bad);
    expect(daysOf(await life(bad))).toBe(30);
  });

  it('takes up a good one again', async () => {
    await life(keeping(30));
    await life(bad);
    const live = await life(keeping(3));
    expect(daysOf(live)).toBe(3);
    expect(live.refused()).toBeUndefined();
    expect(daysOf(await life(bad))).toBe(3);
  });

  it('ends the agent where nothing good is known', async () => {
    await expect(life(bad)).rejects.toThrow(/images\.kep/);
  });

  it('ends the agent where what is known is of another file', async () => {
    await life(keeping(30), { at: join(directory, 'other.yaml') });
    await expect(life(bad)).rejects.toThrow(/images\.kep/);
  });

  it('ends the agent where what was kept is damaged or is refused by now, and says so', async () => {
    await life(keeping(30));
    const [file = ''] = await readdir(stateDirectory);
    await writeFile(
      join(stateDirectory, file),
      (await readFile(join(stateDirectory, file), 'utf8')).replace('30d', '31d'),
    );
    await expect(life(bad)).rejects.toThrow(/images\.kep/);
    expect(logged.join('')).toMatch(/the checksum does not match/);
  });

  it('is held against the state directory that it names, where the rest of it can be read', async () => {
    const named = `stateDirectory: ${stateDirectory}\n`;
    await life(named + keeping(30), { stateDirectory: undefined });
    expect(daysOf(await life(named + bad, { stateDirectory: undefined }))).toBe(30);
  });
});

describe('a configuration that cannot be read when the agent starts', () => {
  it('changes nothing of what was in force before, in a state directory that only its text names', async () => {
    await life(`stateDirectory: ${stateDirectory}\n${keeping(30)}`, { stateDirectory: undefined });
    expect(daysOf(await life('}: broken', { stateDirectory: undefined }))).toBe(30);
  });

  it('leaves in force what was, at one start after the other, and ends the agent where none was for a month', async () => {
    await life(keeping(30));
    for (let starts = 0; starts < 2; starts += 1) {
      clock.jump(20 * DAY_MS);
      expect(daysOf(await life('}: broken'))).toBe(30);
    }
    clock.jump(31 * DAY_MS);
    await expect(life('}: broken')).rejects.toThrow(/refused/);
    expect(logged.join('')).toMatch(/more than 30 days ago/);
  });

  it('leaves in force what was, also after a start before the clock was set', async () => {
    await life(keeping(30));
    const setMs = clock.nowMs();
    clock.jump(-setMs);
    expect(daysOf(await life('}: broken'))).toBe(30);
    clock.jump(setMs);
    expect(daysOf(await life('}: broken'))).toBe(30);
  });
});

describe('what is kept of a configuration', () => {
  it('is for the eyes of the agent alone: a URL in it may be a secret', async () => {
    await life(keeping(30));
    const [file = ''] = await readdir(stateDirectory);
    expect((await stat(join(stateDirectory, file))).mode % 0o1000).toBe(0o600);
  });

  it('is missed in the log, and no more than that, where it cannot be written', async () => {
    await writeFile(stateDirectory, 'no directory');
    expect(daysOf(await life(keeping(30)))).toBe(30);
    expect(logged.join('')).toMatch(/could not be kept/);
  });
});
