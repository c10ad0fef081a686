import { describe, expect, it } from 'vitest';
import { defaultConfig, parseConfig } from '../../../agent/config/load.ts';
import { isNodetenderError } from '../../../agent/errors.ts';
import { Secret } from '../../../agent/secret.ts';

const HOUR_MS = 3_600_000;

function reboot(text: string) {
  return parseConfig(`reboot: ${text}`, 'test.yaml').reboot;
}

/** The lines of the refusal, without the heading; fails when the text is accepted. */
function problemsOf(text: string): string[] {
  try {
    reboot(text);
  } catch (error) {
    if (!isNodetenderError(error, 'config/invalid')) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) =>
        line
          .trim()
          .replace(/^reboot\./, '')
          .replace(/ \(line 1\)/, ''),
      );
  }
  throw new Error(`accepted: ${text}`);
}

describe('the reboots of a configuration', () => {
  it('are by default one at a time, proven, undone where they do not succeed, and at any hour', () => {
    expect(defaultConfig.reboot).toMatchObject({
      enabled: false,
      sentinel: { path: '/var/run/reboot-required', command: undefined, checkEveryMs: 60_000 },
      way: { method: 'logind', signal: 39, command: ['/bin/systemctl', 'reboot'] },
      settings: {
        settleMs: 300_000,
        minIntervalMs: HOUR_MS,
        whenWindowCloses: 'back-out',
        whenStuck: 'back-out',
        soakMs: 60_000,
        whenUnhealthy: 'stop',
        backoff: { firstMs: 600_000, longestMs: 6 * HOUR_MS },
        marks: ['scale-down'],
      },
      windows: { allow: [], deny: [] },
      pools: [],
      cap: undefined,
      lockStaleAfterMs: undefined,
      prometheus: undefined,
      drain: {
        timeoutMs: HOUR_MS / 2,
        parallelism: 10,
        evictEmptyDir: true,
        evictUnmanaged: true,
        whenStuck: 'back-out',
      },
      health: { daemonSetPods: true, pods: [], queries: [] },
      notify: { to: [] },
    });
  });

  it('may wait for windows by day and by cron, each with its zone or the one of all', () => {
    const text = `{windows: {timeZone: Europe/Paris, allow: [{days: [fri, sat], from: "22:00", to: "5:30"}, {}],
      deny: [{cron: "@monthly", duration: 3d, timeZone: UTC}]}}`;
    expect(reboot(text).windows).toEqual({
      allow: [
        { days: ['fri', 'sat'], fromMinute: 22 * 60, toMinute: 330, timeZone: 'Europe/Paris' },
        {
          days: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
          fromMinute: 0,
          toMinute: 1440,
          timeZone: 'Europe/Paris',
        },
      ],
      deny: [{ cron: '@monthly', durationMs: 72 * HOUR_MS, timeZone: 'UTC' }],
    });
  });

  it('go by pools, in their order', () => {
    const { pools } = reboot('{pools: [{name: gpu, nodeSelector: "gpu in (a,b)", concurrency: 10%}, {name: rest}]}');
    expect(pools).toMatchObject([
      { name: 'gpu', selectors: [{ text: 'gpu in (a,b)' }], concurrency: { percent: 10 } },
      { name: 'rest', selectors: [], concurrency: { count: 1 } },
    ]);
  });

  it('may drain for ever', () => {
    expect(reboot('{drain: {timeout: never}, hooks: {before: {timeout: never}}}')).toMatchObject({
      drain: { timeoutMs: undefined },
      settings: { hooks: { timeoutMs: Infinity } },
    });
  });

  it('give pods seconds, rounded up: no pod gets less than was said', () => {
    expect(reboot('{drain: {gracePeriod: 1500ms, skipTerminatingAfter: 90s}}').drain).toMatchObject({
      gracePeriodSeconds: 2,
      skipTerminatingAfterSeconds: 90,
    });
  });

  it('are told to whom it concerns; secrets stay secret', () => {
    const { to } = reboot(
      '{notify: {to: [{url: slack://T/B/s3cret}, {urlFile: /run/url}, {urlEnv: URL, body: "{}"}]}}',
    ).notify;
    expect(to).toEqual([
      { address: new Secret('slack://T/B/s3cret'), body: undefined },
      { address: { file: '/run/url' }, body: undefined },
      { address: { env: 'URL' }, body: '{}' },
    ]);
    expect(JSON.stringify(to)).not.toContain('s3cret');
  });
});

describe('a refusal of reboots', () => {
  it.each([
    [
      '{windows: {allow: [{cron: "0 3 * * *", days: [mon]}]}}',
      'windows.allow[0].cron: expected either cron or days, from and to, found both',
    ],
    [
      '{windows: {allow: [{cron: "0 3 * * *"}]}}',
      'windows.allow[0].duration: expected a duration beside cron, found nothing',
    ],
    ['{windows: {allow: [{duration: 3h}]}}', 'windows.allow[0].duration: expected cron beside it, found nothing'],
    ['{windows: {deny: [{days: []}]}}', 'windows.deny[0].days: expected at least one entry, found a list'],
    [
      '{windows: {deny: [{from: "12:00", to: "12:00"}]}}',
      'windows.deny[0].to: expected another time than from, found the same',
    ],
    ['{windows: {deny: [{to: "00:00"}]}}', 'windows.deny[0].to: expected another time than from, found the same'],
    ['{windows: {deny: [{from: "24:00"}]}}', 'windows.deny[0].from: expected less than 24:00; '],
    [
      '{windows: {deny: [{from: "9pm"}]}}',
      'windows.deny[0].from: expected a time of day from 00:00 to 24:00, such as 22:30, found "9pm"',
    ],
    ['{windows: {deny: [{days: [monday]}]}}', 'windows.deny[0].days[0]: expected sun or mon or '],
    ['{pools: [{name: a}, {name: b}, {name: a}]}', 'pools: expected each name once, found a twice'],
    ['{pools: [{name: control-plane}]}', 'pools[0].name: expected another name than control-plane, '],
    ['{pools: [{name: A}]}', 'pools[0].name: expected the name of a pool such as gpu, '],
    ['{pools: [{}]}', 'pools[0].name: expected the name of a pool such as gpu, '],
    [
      '{pools: [{name: a, concurrency: 101%}]}',
      'pools[0].concurrency: expected a whole number from 0 to 1000, or a percentage such as 10%, found "101%"',
    ],
    ['{pools: [{name: a, nodeSelector: "a in"}]}', 'pools[0].nodeSelector: label selector "a in": '],
    ['{cap: 0}', 'cap: expected a whole number from 1 to 1000, found 0'],
    ['{command: []}', 'command: expected at least one entry, found a list'],
    ['{signal: 65}', 'signal: expected a whole number from 1 to 64, found 65'],
    [
      '{drain: {timeout: 10m, podTimeout: 11m}}',
      'drain.podTimeout: expected at most drain.timeout, found more; set both',
    ],
    ['{backoff: {first: 7h}}', 'backoff.longest: expected at least first, found less; set both'],
    ['{health: {queries: [up]}}', 'health: expected prometheus.url beside queries, found nothing'],
    ['{gates: {alerts: {ignore: x}}}', 'gates: expected prometheus.url beside alerts, found nothing'],
    ['{gates: {alerts: {ignore: "("}}}', 'gates.alerts.ignore: expected a regular expression such as '],
    [
      '{prometheus: {url: "ftp://x"}}',
      'prometheus.url: expected an address such as http://prometheus.monitoring:9090, found "ftp://x"',
    ],
    ['{prometheus: {url: "http://me:s3cret@x"}}', 'prometheus.url: expected an address without user and password, '],
    [
      '{hooks: {before: {annotations: ["a b"]}}}',
      'hooks.before.annotations[0]: expected the key of an annotation such as ',
    ],
    [
      '{hooks: {before: {annotations: [nodetender.dev/hold]}}}',
      "hooks.before.annotations[0]: expected another prefix than nodetender.dev/, which is the agent's own",
    ],
    [
      '{hooks: {after: {annotations: [example.com/ready, nodetender.dev/reboot-status]}}}',
      "hooks.after.annotations[1]: expected another prefix than nodetender.dev/, which is the agent's own",
    ],
    ['{hooks: {after: {timeout: 1h}}}', 'hooks.after.timeout: unknown; known here: annotations, pods'],
    [
      '{marks: {labelsBefore: [nodetender.dev/state=idle]}}',
      "marks.labelsBefore[0]: expected another prefix than nodetender.dev/, which is the agent's own",
    ],
    [
      '{marks: {labelsBefore: [example.com/a]}}',
      'marks.labelsBefore[0]: expected a label such as example.com/rebooting=true, ',
    ],
    ['{notify: {to: [{}]}}', 'notify.to[0].url: expected one of url, urlFile and urlEnv, found none'],
    [
      '{notify: {to: [{urlEnv: A, urlFile: /b}]}}',
      'notify.to[0].url: expected one of url, urlFile and urlEnv, found several',
    ],
    ['{notify: {to: [{url: "telegram://s3cret@x"}]}}', 'notify.to[0].url: expected a URL that begins with '],
    ['{notify: {to: [{url: "slack://s3cret"}]}}', 'notify.to[0].url: expected slack://TOKEN/TOKEN/TOKEN, '],
    [
      '{notify: {to: [{url: slack://T/B/s3cret, body: "{}"}]}}',
      'notify.to[0].body: expected generic:// or generic+https:// as the url beside it, ',
    ],
    ['{notify: {to: [{urlEnv: A, body: "{"}]}}', 'notify.to[0].body: expected JSON of 1 to '],
    [
      '{notify: {messages: {drain: "{{nod}}"}}}',
      'notify.messages.drain: expected {{node}} or {{pool}} or {{reason}} or {{event}}, found {{nod}}',
    ],
  ])('%s', (text, problem) => {
    const problems = problemsOf(text);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems[0]?.startsWith(problem)).toBe(true);
    expect(problems[0]).not.toContain('s3cret');
  });

  it('does not blame a field for what is wrong with another', () => {
    expect(problemsOf('{prometheus: {url: 3}, health: {queries: [up]}, pools: [{name: 3}, {name: 3}]}')).toEqual([
      expect.stringMatching(/^pools\[0\]\.name: /),
      expect.stringMatching(/^pools\[1\]\.name: /),
      expect.stringMatching(/^prometheus\.url: /),
    ]);
    expect(problemsOf('{pools: 3, health: {queries: 3}, prometheus: 3, windows: {allow: [{days: 3}]}}')).toEqual([
      'windows.allow[0].days: expected a list, found 3',
      'pools: expected a list, found 3',
      'prometheus: expected a mapping, found 3',
      'health.queries: expected a list, found 3',
    ]);
  });
});
