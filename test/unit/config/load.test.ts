import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultConfig, loadConfig, parseConfig } from '../../../agent/config/load.ts';
import { isNodetenderError } from '../../../agent/errors.ts';

const DAY_MS = 86_400_000;

/** The lines of the refusal, without the heading; fails when the text is accepted. */
function problemsOf(text: string): string[] {
  try {
    parseConfig(text, 'test.yaml');
  } catch (error) {
    if (!isNodetenderError(error, 'config/invalid')) throw error;
    const problems = error.message.split('\n').slice(1);
    return problems.map((line) => line.trim());
  }
  throw new Error(`accepted: ${text.slice(0, 100)}`);
}

function imagesOf(text: string) {
  return parseConfig(`images: ${text}`, 'test.yaml').images;
}

describe('a configuration', () => {
  it('of nothing is the defaults', () => {
    expect(parseConfig('{}', 'test.yaml')).toEqual(defaultConfig);
    expect(defaultConfig).toMatchObject({
      stateDirectory: '/var/lib/nodetender',
      runtime: { endpoint: undefined },
      log: { level: 'info' },
      http: { host: '::', port: 8080 },
      images: {
        enabled: true,
        schedule: { when: { everyMs: 7 * DAY_MS }, jitterMs: 1_800_000, runAtStart: false },
        minUnusedMs: 7 * DAY_MS,
        removeUnused: true,
        keepPreloaded: false,
        keepSystemImages: true,
        removeOrphans: true,
        budget: { images: undefined, bytes: undefined },
        disk: undefined,
        pace: 'gentle',
        sampleEveryMs: 300_000,
      },
    });
  });

  it('takes an empty value for one not given', () => {
    expect(
      parseConfig('images:\n  keep:\n  schedule:\n  disk:\n    startAbove: ~\nlog: {level: }', 'test.yaml'),
    ).toEqual(defaultConfig);
  });

  it('changes what it names and nothing else', () => {
    expect(parseConfig('images: {minUnused: 1h30m}', 'test.yaml')).toEqual({
      ...defaultConfig,
      images: { ...defaultConfig.images, minUnusedMs: 5_400_000 },
    });
  });

  it('gives times in milliseconds, sizes in bytes, uses in percent', () => {
    const images = imagesOf(
      '{budget: {images: 20, bytes: 5Gi}, disk: {startAbove: 85%, stopBelow: 70.5%, path: /data}}',
    );
    expect(images.budget).toEqual({ images: 20, bytes: 5 * 2 ** 30 });
    expect(images.disk).toEqual({
      startAbovePercent: 85,
      stopBelowPercent: 70.5,
      minUnusedMs: 3_600_000,
      path: '/data',
      checkEveryMs: 60_000,
    });
  });

  it('takes a plain number for bytes', () => {
    expect(imagesOf('{budget: {bytes: 1000}}').budget.bytes).toBe(1000);
    expect(imagesOf('{budget: {bytes: "1000"}}').budget.bytes).toBe(1000);
  });

  it('reads its rules', () => {
    const images = imagesOf(
      '{keep: ["registry.example/*"], remove: [busybox], keepNewestTags: [{repository: app, count: 3}]}',
    );
    expect(images.keep.map(({ text }) => text)).toEqual(['registry.example/*']);
    expect(images.remove.map(({ text }) => text)).toEqual(['busybox']);
    expect(images.keepNewestTags.map(({ repository, count }) => [repository.text, count])).toEqual([['app', 3]]);
  });

  it('cleans by cron in a time zone', () => {
    expect(imagesOf('{schedule: {cron: "30 3 * * 6", timeZone: Europe/Paris}}').schedule.when).toEqual({
      cron: '30 3 * * 6',
      timeZone: 'Europe/Paris',
    });
  });

  it.each([
    ['fast', 'fast'],
    ['{burst: 16}', { burst: 16, pauseMs: 500, slowCallMs: 2000 }],
    ['{pause: 1s, slowCall: 5s}', { burst: 64, pauseMs: 1000, slowCallMs: 5000 }],
  ])('knows the pace %s', (text, pace) => {
    expect(imagesOf(`{pace: ${text}}`).pace).toEqual(pace);
  });

  it.each([
    ['""', undefined],
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
    ['"[::1]:9000"', { host: '::1', port: 9000 }],
  ])('serves at %s', (address, http) => {
    expect(parseConfig(`http: {address: ${address}}`, 'test.yaml').http).toEqual(http);
  });

  it('lets pause images go only by the long word', () => {
    expect(imagesOf('{systemImages: remove-even-pause-images}').keepSystemImages).toBe(false);
    expect(problemsOf('images: {systemImages: remove}')).toEqual([
      'images.systemImages (line 1): expected keep or remove-even-pause-images, found "remove"',
    ]);
  });
});

describe('a refusal', () => {
  it('names every offending field at once, each with its line, what was expected and what was found', () => {
    const text = `
log: {level: loud}
images:
  scedule: {}
  minUnused: 7
  enabled: yes
  keep: [Registry.example/App, 3, "ok:1"]
  budget: { images: 0, bytes: 5 GB }
  keepNewestTags: [{ repository: "app:1" }]
  schedule: { every: 7d, cron: "0 0 30 2 *", timeZone: Mars/Base, jitter: 2d }
  disk: { startAbove: 70%, checkEvery: 1s }
  pace: { brust: 1, pause: 1 }
  sampleEvery: [5m]
`;
    expect(problemsOf(text)).toEqual([
      'log.level (line 2): expected trace or debug or info or warn or error, found "loud"',
      'images.enabled (line 6): expected true or false, found "yes"',
      'images.schedule.cron (line 10): expected five cron fields such as "30 3 * * 6" that come round on some day, or @hourly, @daily, @weekly or @monthly, found "0 0 30 2 *"',
      'images.schedule.timeZone (line 10): expected a time zone such as UTC or Europe/Paris, found "Mars/Base"',
      'images.schedule.jitter (line 10): expected a duration from 0s to 1d, such as 90s, 1h30m or 7d, found "2d"',
      'images.minUnused (line 5): expected a duration from 0s to 3660d, such as 90s, 1h30m or 7d, found 7',
      expect.stringMatching(/^images\.keep\[0\] \(line 7\): rule "Registry\.example\/App": .*capital letters/),
      'images.keep[1] (line 7): expected an image rule such as registry.example/app:*, found 3',
      expect.stringMatching(/^images\.keepNewestTags\[0\]\.repository \(line 9\): rule "app:1": /),
      'images.keepNewestTags[0].count: expected a whole number from 1 to 1000, found nothing',
      'images.budget.images (line 8): expected a whole number from 1 to 1000000, found 0',
      'images.budget.bytes (line 8): expected a size from 1 to 1Pi, such as 500Mi, 5Gi or a number of bytes, found "5 GB"',
      'images.disk.checkEvery (line 11): expected a duration from 10s to 1d, such as 90s, 1h30m or 7d, found "1s"',
      'images.disk.stopBelow: expected less than startAbove (70%), found 80%; set both',
      'images.pace.pause (line 12): expected a duration from 0s to 10m, such as 90s, 1h30m or 7d, found 1',
      'images.pace.brust (line 12): unknown; did you mean burst?',
      'images.sampleEvery (line 13): expected a duration from 10s to 1d, such as 90s, 1h30m or 7d, found a list',
      'images.scedule (line 4): unknown; did you mean schedule?',
    ]);
  });

  it('speaks of an unknown key that has no value too', () => {
    expect(problemsOf('images:\n  scedule:\n')).toEqual(['images.scedule (line 2): unknown; did you mean schedule?']);
  });

  it('tells an unknown key what is known beside it', () => {
    expect(problemsOf('images: {budget: {count: 3}}')).toEqual([
      'images.budget.count (line 1): unknown; known here: images, bytes',
    ]);
    expect(problemsOf('images: {keepNewestTags: [{repository: a, count: 1, cuont: 2}]}')).toEqual([
      'images.keepNewestTags[0].cuont (line 1): unknown; did you mean count?',
    ]);
  });

  it('is told for each of two fields that exclude each other beside other mistakes', () => {
    expect(problemsOf('images: {schedule: {every: 7d, cron: "@daily", jiter: 1m, runAtStart: 1}}')).toEqual([
      'images.schedule.runAtStart (line 1): expected true or false, found 1',
      'images.schedule.jiter (line 1): unknown; did you mean jitter?',
      'images.schedule.cron (line 1): expected either every or cron, found both; remove one',
    ]);
  });

  it.each([
    ['images: {disk: {startAbove: 80%, stopBelow: 80%}}', 'images.disk.stopBelow'],
    ['images: {disk: {startAbove: 85}}', 'images.disk.startAbove'],
    ['images: {disk: {startAbove: 100%}}', 'images.disk.startAbove'],
    ['images: {disk: {path: var/lib}}', 'images.disk.path'],
    ['images: {disk: {path: "/a\\0b"}}', 'images.disk.path'],
    ['images: {schedule: {every: 59s}}', 'images.schedule.every'],
    ['images: {schedule: {cron: "* * * * * *"}}', 'images.schedule.cron'],
    ['images: {schedule: {cron: "2030-01-01T00:00:00"}}', 'images.schedule.cron'],
    ['images: {schedule: {cron: "@reboot"}}', 'images.schedule.cron'],
    ['images: {schedule: {cron: "61 * * * *"}}', 'images.schedule.cron'],
    ['images: {schedule: {timeZone: ""}}', 'images.schedule.timeZone'],
    ['images: {pace: slow}', 'images.pace'],
    ['images: {pace: 3}', 'images.pace'],
    ['images: {pace: {burst: 1.5}}', 'images.pace.burst'],
    ['images: {budget: {bytes: -1}}', 'images.budget.bytes'],
    ['images: {budget: {bytes: .inf}}', 'images.budget.bytes'],
    ['images: {budget: {images: .nan}}', 'images.budget.images'],
    ['images: {keep: registry.example/app}', 'images.keep'],
    ['images: []', 'images'],
    ['runtime: {endpoint: /run/containerd/containerd.sock}', 'runtime.endpoint'],
    ['runtime: {endpoint: "tcp://127.0.0.1:1"}', 'runtime.endpoint'],
    [`runtime: {endpoint: unix:///${'x'.repeat(107)}}`, 'runtime.endpoint'],
    ['stateDirectory: ""', 'stateDirectory'],
    ['http: {address: ":8080"}', 'http.address'],
    ['http: {address: "0.0.0.0:65536"}', 'http.address'],
    ['http: {address: 8080}', 'http.address'],
    ['http: {address: "::1:80"}', 'http.address'],
  ])('of %s names the field', (text, path) => {
    expect(problemsOf(text).map((line) => line.split(/ \(line|: /)[0])).toEqual([path]);
  });

  it('shows fifty problems and says that there are more', () => {
    const lines = problemsOf(Array.from({ length: 60 }, (_, index) => `unknownKey${index}: 1`).join('\n'));
    expect(lines).toHaveLength(50);
    const rules = problemsOf(`images: {keep: [${'3,'.repeat(60)}]}`);
    expect(rules).toHaveLength(51);
    expect(rules.at(-1)).toBe('… and more: the first 50 are shown');
  });

  it('lets no text of the file through that could pass for a log line of its own', () => {
    const [line] = problemsOf(`"evil\\nkey\\u001b[31m": 1`);
    expect(line).toContain('"evil\\nkey\\u001b[31m" (line 1): unknown');
    const [value] = problemsOf(`log: {level: "${'x\\n'.repeat(500)}"}`);
    expect(value?.length).toBeLessThan(200);
  });
});

describe('a text that is no configuration', () => {
  it.each([
    ['nothing', '', 'empty; write {} to mean the defaults'],
    ['only comments', '# keep: []\n', 'empty; write {} to mean the defaults'],
    ['a list', '- images', '(line 1): expected a mapping, found a list'],
    ['a word', 'images', '(line 1): expected a mapping, found "images"'],
    ['two documents', 'log: {}\n---\nlog: {}', '(line 2): a second document begins here; expected one'],
    ['a key without text', '[a]: x', '(line 1): expected a text as key'],
    ['a tag', 'log: !!js/function x', '(line 1): Unresolved tag: tag:yaml.org,2002:js/function'],
    ['a key written twice', 'log: {}\nimages: {}\nlog: {}', 'log (line 3): written twice, first on line 1'],
    ['an alias', 'log: &x {}\nhttp: *x', 'http (line 2): the alias *x is not followed; write the value out'],
    ['a prototype', '__proto__: {enabled: true}', '__proto__ (line 1): unknown'],
  ])('is refused: %s', (_name, text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  it('is refused with its lines: broken YAML', () => {
    expect(problemsOf('log: {}\nimages: [')[0]).toMatch(/^\(line 2\): Flow sequence/);
    expect(problemsOf('images:\n\tkeep: []')[0]).toMatch(/^\(line 2\): Tabs are not allowed/);
  });

  it.each([
    ['hundred thousand brackets', '['.repeat(100_000)],
    ['hundred thousand lists', '- '.repeat(100_000)],
    ['thirty thousand keys', Array.from({ length: 30_000 }, (_, key) => `k${key}: `).join('\n')],
    ['a key forty thousand times', 'log: 1\n'.repeat(37_000)],
    [
      'an alias bomb',
      `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`).join('\n')}`,
    ],
    ['an alias of itself', 'log: &x {level: *x}'],
    ['a text of 250 KiB', `stateDirectory: ${'x'.repeat(250 * 1024)}`],
    ['quotes', '"'.repeat(100_000)],
  ])(
    'is refused before it does harm: %s',
    (_name, text) => {
      const startedMs = performance.now();
      expect(problemsOf(text).length).toBeGreaterThan(0);
      // Without the guards it is minutes, or the end of the memory; with them about a second on a slow machine.
      expect(performance.now() - startedMs).toBeLessThan(15_000);
    },
    20_000,
  );

  it('is refused by its size', () => {
    expect(problemsOf(`# ${'x'.repeat(256 * 1024)}\n{}`)).toEqual(['expected at most 262144 bytes, found more']);
  });
});

describe('a configuration file', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-config-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  async function file(content: string | Uint8Array): Promise<string> {
    const path = join(directory, 'nodetender.yaml');
    await writeFile(path, content);
    return path;
  }

  it('is loaded', async () => {
    expect((await loadConfig(await file('images: {enabled: false}'))).images.enabled).toBe(false);
  });

  it('is named in its refusal', async () => {
    const path = await file('imagse: {}');
    await expect(loadConfig(path)).rejects.toMatchObject({
      code: 'config/invalid',
      message: `the configuration in ${path} is refused:\n  imagse (line 1): unknown; did you mean images?`,
    });
  });

  it('is unreadable when it is not there, a directory, or a pipe nobody writes to', async () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [join(directory, 'none.yaml'), directory, pipe]) {
      await expect(loadConfig(path)).rejects.toMatchObject({
        code: 'config/unreadable',
        message: expect.stringContaining(path) as string,
      });
    }
  });

  it('is refused when it is no text, or too large', async () => {
    await expect(loadConfig(await file(Buffer.from('{} # caf\xe9', 'latin1')))).rejects.toMatchObject({
      code: 'config/invalid',
    });
    await expect(loadConfig(await file('#'.repeat(300_000)))).rejects.toThrow(
      'expected at most 262144 bytes, found more',
    );
    await expect(loadConfig('/dev/zero')).rejects.toMatchObject({ code: 'config/unreadable' });
  });
});
