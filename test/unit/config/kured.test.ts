import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { defaultConfig, parseConfig } from '../../../agent/config/load.ts';
import { jsonSchema } from '../../../agent/config/schema.ts';
import { parseDestination } from '../../../agent/observe/notify/destination.ts';
import { poolOf, poolsOf, slotsOf } from '../../../agent/reboot/lock/pools.ts';
import { chartValues, leaves } from '../chart/values.ts';
import { keysOf } from './keys.ts';

const PAGE = readFileSync(new URL('../../../docs/from-kured.md', import.meta.url), 'utf8');

/** Of kured 1.23, with those that it still takes from versions before. */
const FLAGS =
  `alert-filter-match-only alert-filter-regexp alert-firing-only annotate-nodes blocking-pod-selector concurrency
  drain-delay drain-grace-period drain-pod-selector drain-timeout ds-name ds-namespace end-time force-reboot
  lock-annotation lock-release-delay lock-ttl log-format message-template-drain message-template-reboot
  message-template-uncordon metrics-host metrics-port node-id notify-url period post-reboot-node-labels
  pre-reboot-node-labels prefer-no-schedule-taint prometheus-url reboot-command reboot-days reboot-delay reboot-method
  reboot-sentinel reboot-sentinel-command reboot-signal skip-wait-for-delete-timeout slack-channel slack-hook-url
  slack-username start-time time-zone`.split(/\s+/);

/** Of its chart 5.11, without those of `configuration` that are flags. */
const VALUES = `affinity configuration.useRebootSentinelHostPath containerSecurityContext.privileged
  containerSecurityContext.readOnlyRootFilesystem dsAnnotations extraArgs extraEnvVars hostNetwork image.pullPolicy
  image.pullSecrets image.repository image.tag initContainers livenessProbe maxUnavailable metrics.create metrics.interval
  metrics.labels metrics.namespace metrics.scrapeTimeout metricsHost metricsPort nodeSelector podAnnotations podLabels
  podSecurityPolicy.create priorityClassName rbac.create readinessProbe resources revisionHistoryLimit service.annotations
  service.create service.name service.port serviceAccount.create serviceAccount.name tolerations updateStrategy
  volumeMounts volumes`.split(/\s+/);

interface Row {
  readonly kured: readonly string[];
  readonly here: string;
  readonly note: string;
}

/** The rows of the table below a heading. */
function tableOf(heading: string): Row[] {
  const section = PAGE.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((line) => {
    const [, kured = '', here = '', note = ''] = line
      .split(' | ')
      .flatMap((cell, index) => (index === 0 ? ['', cell] : cell));
    return { kured: quotedIn(kured), here: here.trim(), note: note.replace(/ *\|$/, '').trim() };
  });
}

function quotedIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? '');
}

function yamlBelow(heading: string): string {
  const section = PAGE.split(new RegExp(`^#+ ${heading}$`, 'm'))[1] ?? '';
  return /```yaml\n(.*?)```/s.exec(section)?.[1] ?? '';
}

const flags = tableOf('Flags');
const values = tableOf('Values of the chart without a flag');
const ofChart = values.filter(({ here }) => here !== 'none' && !here.includes(':'));
const mapped = [...flags, ...values]
  .filter((row) => row.here !== 'none' && !ofChart.includes(row))
  .map(({ kured, here }): [string, string] => [kured[0] ?? '', here]);
const known = new Set(keysOf(jsonSchema()).map(({ path }) => path.join('.')));

describe('the page for those who come from kured', () => {
  it('has every flag once', () => {
    const named = flags.map(({ kured }) => /^--([a-z-]+)/.exec(kured[0] ?? '')?.[1] ?? '');
    expect(named.toSorted()).toEqual(FLAGS);
  });

  it('has every value of the chart once', () => {
    expect(values.flatMap(({ kured }) => kured).toSorted()).toEqual(VALUES);
  });

  it('says of each what differs', () => {
    expect([...flags, ...values].filter(({ note }) => !/\w.*\.$/.test(note))).toEqual([]);
  });

  it.each(mapped)('%s: what it says instead is accepted, and changes something', (_kured, here) => {
    const [setting = ''] = quotedIn(here);
    expect(parseConfig(setting, setting)).not.toEqual(defaultConfig);
  });

  it('names values of the chart that there are', () => {
    const named = new Set(leaves(chartValues()).map(({ path }) => path));
    expect(ofChart.length).toBeGreaterThan(5);
    expect(ofChart.flatMap(({ here }) => quotedIn(here)).filter((path) => !named.has(path))).toEqual([]);
  });

  it('names no setting that there is not', () => {
    const named = quotedIn(PAGE.replaceAll(/```.*?```/gs, '')).filter((text) =>
      /^(reboot|cluster|http|log|images)\.[\w.]+$/.test(text),
    );
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((key) => !known.has(key))).toEqual([]);
  });

  it('gives the values that stand in the flag', () => {
    const value = ([flag, here]: readonly [string, string]): [string, boolean] => {
      const given = flag.split('=').slice(1).join('=').replaceAll('"', '').split(',')[0] ?? '';
      const setting = JSON.stringify(parse(quotedIn(here)[0] ?? ''));
      return [flag, given.split(' ').every((word) => setting.includes(word))];
    };
    // Those whose value is written in another way.
    const others = /^--(drain-grace|skip-wait|message-template-uncordon)/;
    expect(
      mapped
        .filter(([flag]) => !others.test(flag))
        .map(value)
        .filter(([, isGiven]) => !isGiven),
    ).toEqual([]);
  });

  it('shows URLs that are understood', () => {
    const urls = PAGE.split('\n## Messages\n')[1]?.split('\n## ')[0] ?? '';
    const shown = quotedIn(urls).filter((text) => /^[a-z+]+:\/\/./.test(text));
    expect(shown.length).toBeGreaterThan(8);
    for (const url of shown) expect(parseDestination(url).url.protocol).toMatch(/^https?:$/);
    const refused = quotedIn(urls).filter((text) => /^[a-z]+:\/\/$/.test(text));
    for (const url of refused) expect(() => parseDestination(url)).toThrow('which is not understood');
  });

  it('leaves those nodes alone that have not moved yet', () => {
    const { config } = parse(yamlBelow('Pool by pool')) as { config: unknown };
    const { reboot } = parseConfig(JSON.stringify(config), 'the page');
    const pools = poolsOf(reboot.pools, reboot.cap);
    expect(slotsOf(poolOf(pools, new Map()), 10)).toBe(0);
    expect(slotsOf(poolOf(pools, new Map([['reboots', 'nodetender']])), 10)).toBe(1);
    expect(pools.cap).toBe(1);
  });

  it('has a configuration that is closest to kured', () => {
    const { reboot } = parseConfig(yamlBelow('As kured does it'), 'the page');
    expect(reboot).toMatchObject({
      way: { method: 'command', command: ['/bin/systemctl', 'reboot'] },
      settings: { settleMs: 0, minIntervalMs: 0, soakMs: 0, whenStuck: 'stay', marks: [] },
      drain: { timeoutMs: undefined },
      cap: 1,
    });
  });
});
