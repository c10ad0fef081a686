import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseConfig } from '../../../agent/config/load.ts';
import type { Config } from '../../../agent/config/load.ts';
import { jsonSchema } from '../../../agent/config/schema.ts';
import { isNodetenderError } from '../../../agent/errors.ts';
import { nameOf } from '../../../agent/observe/notify/address.ts';
import { keysOf } from './keys.ts';

const DAY_MS = 86_400_000;
const RUNS = 1000;

/** Accepted with every value in its range, or refused with the fields named: there is no third way. */
function judge(text: string): 'accepted' | 'refused' {
  let config: Config;
  try {
    config = parseConfig(text, 'test.yaml');
  } catch (error) {
    if (!isNodetenderError(error, 'config/invalid')) throw error;
    const [heading, ...problems] = error.message.split('\n');
    if (heading !== 'the configuration in test.yaml is refused:' || problems.length === 0) throw error;
    if (problems.length > 51 || problems.some((line) => !/^ {2}\S/.test(line) || line.length > 1000)) throw error;
    return 'refused';
  }
  const broken = Object.entries(invariants(config)).filter(([, kept]) => !kept);
  if (broken.length > 0) throw new Error(`accepted, but: ${broken.map(([name]) => name).join(', ')}`);
  return 'accepted';
}

function invariants({ stateDirectory, runtime, http, images, reboot }: Config): Record<string, boolean> {
  const { schedule, budget, disk, pace } = images;
  const every = 'everyMs' in schedule.when ? schedule.when.everyMs : DAY_MS;
  return {
    stateDirectory: stateDirectory.startsWith('/') && !stateDirectory.includes('\0'),
    endpoint: runtime.endpoint === undefined || /^unix:\/\/\/.*$/s.test(runtime.endpoint),
    port: http === undefined || (http.host.length > 0 && isBetween(http.port, 0, 65_535)),
    every: isBetween(every, 60_000, 366 * DAY_MS),
    jitter: isBetween(schedule.jitterMs, 0, DAY_MS),
    minUnused: isBetween(images.minUnusedMs, 0, 3660 * DAY_MS),
    sampleEvery: isBetween(images.sampleEveryMs, 10_000, DAY_MS),
    flags: [
      images.enabled,
      images.removeUnused,
      images.keepPreloaded,
      images.keepSystemImages,
      images.removeOrphans,
    ].every((flag) => typeof flag === 'boolean'),
    rules: [...images.keep, ...images.remove].every(({ text }) => text.length > 0),
    newestTags: images.keepNewestTags.every(
      ({ repository, count }) => repository.text !== '' && isBetween(count, 1, 1000),
    ),
    budgetImages: budget.images === undefined || isBetween(budget.images, 1, 1_000_000),
    budgetBytes: budget.bytes === undefined || isBetween(budget.bytes, 1, 2 ** 50),
    watermarks:
      disk === undefined ||
      (disk.stopBelowPercent < disk.startAbovePercent && disk.startAbovePercent <= 99 && disk.stopBelowPercent >= 0),
    checkEvery: disk === undefined || isBetween(disk.checkEveryMs, 10_000, DAY_MS),
    pace: typeof pace === 'string' ? ['gentle', 'fast'].includes(pace) : isBetween(pace.burst, 1, 1000),
    ...rebootInvariants(reboot),
  };
}

function rebootInvariants(reboot: Config['reboot']): Record<string, boolean> {
  const { sentinel, way, settings, windows, pools, cap, prometheus, gates, drain, health, notify } = reboot;
  return {
    sentinel: sentinel.path.startsWith('/') && sentinel.command?.argv.length !== 0,
    way: isBetween(way.signal, 1, 64) && way.command.length > 0 && way.command.every((argument) => argument !== ''),
    times: [
      settings.settleMs,
      settings.minIntervalMs,
      settings.soakMs,
      settings.cordonDelayMs,
      settings.rebootDelayMs,
    ].every((ms) => isBetween(ms, 0, 366 * DAY_MS)),
    deadlines:
      isBetween(settings.rebootDeadlineMs, 60_000, DAY_MS) && isBetween(settings.verifyDeadlineMs, 60_000, 7 * DAY_MS),
    backoff: settings.backoff.firstMs > 0 && settings.backoff.firstMs <= settings.backoff.longestMs,
    windows: [...windows.allow, ...windows.deny].every((window) =>
      'cron' in window
        ? isBetween(window.durationMs, 60_000, 31 * DAY_MS)
        : window.days.length > 0 &&
          isBetween(window.fromMinute, 0, 1439) &&
          isBetween(window.toMinute, 0, 1440) &&
          window.fromMinute !== window.toMinute,
    ),
    pools: new Set(pools.map(({ name }) => name)).size === pools.length,
    cap: cap === undefined || isBetween(cap, 1, 1000),
    queries: health.queries.length === 0 || prometheus !== undefined,
    alerts: (gates.alerts.ignore === undefined && gates.alerts.only === undefined) || prometheus !== undefined,
    drain: isBetween(drain.parallelism, 1, 100) && (drain.podTimeoutMs ?? 0) <= (drain.timeoutMs ?? Infinity),
    notify: notify.to.every(({ address }) => nameOf(address) !== '$'),
  };
}

function isBetween(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** How many of the texts were accepted, how many refused. */
function judgeAll(texts: fc.Arbitrary<string>): { accepted: number; refused: number } {
  const counts = { accepted: 0, refused: 0 };
  // The failing text, its seed and path are printed with the failure.
  fc.assert(
    fc.property(texts, (text) => {
      counts[judge(text)] += 1;
    }),
    { numRuns: RUNS },
  );
  return counts;
}

const PATHS = keysOf(jsonSchema()).map(({ path }) => path);

const hostileText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    '-1',
    'NaN',
    '1e999',
    '99999999999999999999d',
    '*',
    '**',
    '../..',
    '${x}',
    '🦊',
    '\u202e',
  ),
  fc.constantFrom(
    '7d',
    '0s',
    '1ms',
    '5Gi',
    '85%',
    '0%',
    '100%',
    '@daily',
    '* * * * *',
    'UTC',
    'unix:///x',
    '/',
    'gentle',
  ),
  fc.constantFrom(
    '22:30',
    '24:00',
    '00:00',
    'a=b',
    'a in (b,c)',
    'slack://a/b/c',
    'generic://x',
    '(?i)^x',
    'never',
    'mon',
  ),
  fc.constantFrom('registry.example/app:*', 'app@>=1 <2', 'sha256:', 'a:b:c', '127.0.0.1:80', '[::]:0', 'keep'),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.stringMatching(/^[0-9]{1,20}(d|h|m|s|ms|%|Gi|k|)$/),
);

const hostileKey = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...PATHS.flat()) },
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '<<', '', 'scedule', '~', '3'),
  fc.string({ maxLength: 20 }),
);

const hostileValue = fc.letrec((again) => ({
  any: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'value' },
    hostileText,
    fc.constantFrom(null, true, false, 0, -0, 1, -1, 1.5, 64, 2 ** 53, 1e308, Number.NaN, Infinity),
    fc.array(again('any'), { maxLength: 4, depthIdentifier: 'value' }),
    fc.dictionary(hostileKey, again('any'), { maxKeys: 5, depthIdentifier: 'value' }),
  ),
})).any;

/** A configuration that is right in its outline, with anything at all in some of its fields. */
const nearlyRight = fc
  .array(fc.tuple(fc.constantFrom(...PATHS), fc.oneof(hostileText, hostileValue)), { maxLength: 6 })
  .map((settings) => {
    const root = {};
    for (const [path, value] of settings) put(root, path, value);
    return root;
  });

function put(mapping: Record<string, unknown>, [key, ...rest]: readonly string[], value: unknown): void {
  if (key === undefined) return;
  if (rest.length === 0) mapping[key] = value;
  else {
    if (!isPlainObject(mapping[key])) mapping[key] = {};
    put(mapping[key] as Record<string, unknown>, rest, value);
  }
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const WORDS = ['images', 'keep', 'disk', 'startAbove', '85%', '__proto__', '7d', 'null', '~', '1', '.nan', '0x1F'];
const MARKS = [': ', ':', '- ', '\n', '\n  ', '\n    ', '\t', '{', '}', '[', ']', ', ', '# ', '"', "'", '|\n', '>-\n'];
const ODDITIES = [
  '&a ',
  '*a',
  '!!str ',
  '!!binary ',
  '!x ',
  '<<: ',
  '? ',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '\0',
  '\uFEFF',
];
const piecesOfYaml = fc
  .array(fc.oneof(fc.constantFrom(...WORDS), fc.constantFrom(...MARKS), fc.constantFrom(...ODDITIES)), {
    maxLength: 40,
  })
  .map((pieces) => pieces.join(''));

const GOOD = `log: {level: info}
images:
  keep: ["registry.example/*"]
  minUnused: 7d
  disk: {startAbove: 85%}
  pace: {burst: 3}
reboot:
  windows: {allow: [{days: [mon], from: "22:00", to: "05:00"}, {cron: "0 0 1 * *", duration: 3d}]}
  pools: [{name: gpu, nodeSelector: a in (b), concurrency: 10%}]
  notify: {to: [{url: slack://T/B/x}]}
`;
const damaged = fc
  .record({
    at: fc.nat({ max: GOOD.length }),
    without: fc.nat({ max: 10 }),
    inserted: fc.string({ unit: 'binary', maxLength: 3 }),
  })
  .map(({ at, without, inserted }) => GOOD.slice(0, at) + inserted + GOOD.slice(at + without));

describe('whatever the file holds, it is accepted within all ranges or refused by field', () => {
  it.each([
    ['known keys with any value', nearlyRight.map((value) => stringify(value))],
    ['a good file with one place damaged', damaged],
  ])('%s', (_name, texts) => {
    const { accepted, refused } = judgeAll(texts);
    // Both outcomes must come up, or the texts prove nothing of one of them.
    expect(accepted).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(10);
  });

  it.each([
    ['any keys with any value', hostileValue.map((value) => stringify(value))],
    ['any keys with any value, as JSON', hostileValue.map((value) => JSON.stringify(value) ?? '')],
    ['pieces of YAML in any order', piecesOfYaml],
    ['any text', fc.string({ unit: 'binary', maxLength: 200 })],
  ])('%s', (_name, texts) => {
    expect(judgeAll(texts).refused).toBeGreaterThan(10);
  });
});
