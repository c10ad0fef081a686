import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { prometheusComponents } from '../harness/components.ts';
import { objectOf, renderChart } from '../harness/helm.ts';
import { type AlertCase, alertCases } from './alertcases.ts';

const execute = promisify(execFile);
/** For these no other node may reboot until somebody has acted. */
const critical: ReadonlySet<string> = new Set(['NodetenderRollStuck', 'NodetenderUnhealthyAfterReboot']);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodetender-alerts-'));
  await writeRules('rules.json', {});
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('Prometheus takes the rules', async () => {
  const { stdout } = await promtool('check', 'rules', '--lint=all', '--lint-fatal', 'rules.json');
  expect(stdout).toMatch(/SUCCESS: \d+ rules found/);
});

it('every rule is tried below', async () => {
  const rule = objectOf(await renderChart({ prometheusRule: { enabled: true } }), 'PrometheusRule');
  const alerts = (rule['spec'] as Rules).groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
  expect(alerts.filter((name) => !alertCases.some(({ alert }) => alert === name))).toEqual([]);
});

it.each(alertCases)('$alert: $what', async (alertCase) => {
  expect(await outcome(alertCase, 'rules.json')).toBe('SUCCESS');
});

it('limits are those of the values', async () => {
  await writeRules('changed.json', { prometheusRule: { enabled: true, rebootPendingDays: 0.5, slotHeldMinutes: 30 } });
  for (const [alert, minutes] of [
    ['NodetenderRebootPending', 720],
    ['NodetenderSlotHeldTooLong', 30],
  ] as const) {
    const alertCase = alertCases.find((each) => each.alert === alert);
    if (alertCase === undefined) throw new Error(`no case of ${alert}`);
    const sooner = { ...alertCase, quietAt: minutes, firesAt: minutes + 30 };
    expect(await outcome(sooner, 'changed.json')).toBe('SUCCESS');
    // It would be told if it were otherwise.
    expect(await outcome(sooner, 'rules.json')).toContain('FAILED');
  }
});

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[];
}

/** The rules of the chart, as Prometheus reads them without its operator. */
async function writeRules(name: string, values: Record<string, unknown>): Promise<void> {
  const objects = await renderChart({ prometheusRule: { enabled: true }, ...values });
  await writeFile(join(folder, name), JSON.stringify(objectOf(objects, 'PrometheusRule')['spec']));
}

async function promtool(...args: readonly string[]): Promise<{ stdout: string }> {
  return await execute(prometheusComponents().promtool, args, { cwd: folder, timeout: 60_000 });
}

/** What promtool says of a case: SUCCESS, or FAILED with what differed. */
async function outcome(alertCase: AlertCase, rules: string): Promise<string> {
  const { alert, series, everyMinutes = 1, quietAt, firesAt, labels = [] } = alertCase;
  const interval = `${everyMinutes}m`;
  const expr = `ALERTS{alertname="${alert}", alertstate="firing"}`;
  const severity = critical.has(alert) ? 'critical' : 'warning';
  const firing = labels.map((own) => ({
    labels: labelSet({ __name__: 'ALERTS', alertname: alert, alertstate: 'firing', severity, ...own }),
    value: 1,
  }));
  const text = {
    rule_files: [rules],
    evaluation_interval: interval,
    tests: [
      {
        interval,
        input_series: series.map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          { expr, eval_time: `${quietAt}m`, exp_samples: [] },
          ...(firesAt === undefined ? [] : [{ expr, eval_time: `${firesAt}m`, exp_samples: firing }]),
        ],
      },
    ],
  };
  await writeFile(join(folder, 'test.json'), JSON.stringify(text));
  return await promtool('test', 'rules', 'test.json').then(
    () => 'SUCCESS',
    (error: unknown) => `FAILED: ${String((error as { stderr?: unknown }).stderr)}`,
  );
}

function labelSet({ __name__: name, ...labels }: Readonly<Record<string, string>>): string {
  return `${name}{${Object.entries(labels)
    .map(([key, value]) => `${key}="${value}"`)
    .join(',')}}`;
}
