import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ImageRecord } from '../../agent/images/inventory.ts';
import type { Report } from '../../agent/images/report.ts';
import { Metrics } from '../../agent/observe/metrics.ts';
import { type PageServer, servePages } from '../../agent/observe/server.ts';
import { initialState, type State } from '../../agent/reboot/state.ts';
import { RuntimeServer } from '../emulators/runtime/server.ts';
import { RuntimeStore } from '../emulators/runtime/store.ts';
import { slot } from '../unit/reboot/lock/slots.ts';
import { mainScript } from '../harness/command.ts';
import { prometheusComponents } from '../harness/components.ts';
import { Daemon } from '../harness/daemon.ts';
import { eventually } from '../harness/eventually.ts';
import { objectOf, renderChart } from '../harness/helm.ts';
import { asked, dashboardPanels } from '../harness/monitoring.ts';
import { freePorts } from '../harness/ports.ts';

const READY_DEADLINE_MS = 60_000;

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

/** A real Prometheus that scrapes a real agent, and the pages of one to which everything has happened. */
let folder: string;
let runtime: RuntimeServer;
let agent: Daemon;
let pages: PageServer;
let prometheus: Daemon;
let address: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodetender-prometheus-'));
  const [agentPort, prometheusPort] = await freePorts(2);
  runtime = new RuntimeServer({ store: new RuntimeStore(), socketPath: join(folder, 'cri.sock') });
  await runtime.start();
  agent = await startAgent(`127.0.0.1:${agentPort}`);
  pages = await eventfulPages();
  address = `http://127.0.0.1:${prometheusPort}`;
  const rules = objectOf(await renderChart({ prometheusRule: { enabled: true } }), 'PrometheusRule')['spec'];
  await writeFile(join(folder, 'rules.json'), JSON.stringify(rules));
  const scraped = [`127.0.0.1:${agentPort}`, `127.0.0.1:${pages.address.port}`];
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.json'],
    scrape_configs: [
      { job_name: 'nodetender', static_configs: [{ targets: scraped, labels: { namespace: 'nodetender' } }] },
      { job_name: 'others', static_configs: [{ targets: [`127.0.0.1:${prometheusPort}`] }] },
    ],
  };
  await writeFile(join(folder, 'prometheus.json'), JSON.stringify(config));
  prometheus = new Daemon({
    name: 'prometheus',
    program: prometheusComponents().prometheus,
    args: [
      `--config.file=${folder}/prometheus.json`,
      `--storage.tsdb.path=${folder}/tsdb`,
      `--web.listen-address=127.0.0.1:${prometheusPort}`,
    ],
    log: join(folder, 'prometheus.log'),
    ready: async () => (await fetch(`${address}/-/ready`)).ok,
    readyDeadlineMs: READY_DEADLINE_MS,
  });
  await prometheus.start();
  // Rates need two scrapes and a step between them.
  const twice = 'min(count_over_time(nodetender_build_info[1m])) >= 4';
  await eventually('both agents are scraped a few times', async () => (await query(twice)).length > 0);
});

afterAll(async () => {
  await prometheus?.kill();
  await agent?.kill();
  await pages?.close();
  await runtime?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('the dashboard', () => {
  const queries = dashboardPanels().flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr, legendFormat }) => ({ panel: `${title} ${refId}`, expr, legendFormat })),
  );

  it.each(queries)('shows something where everything has happened: $panel', async ({ expr, legendFormat }) => {
    const samples = await query(asked(expr));
    expect(samples.length).toBeGreaterThan(0);
    expect(samples.some(({ value: [, text] }) => Number.isFinite(Number(text)))).toBe(true);
    // A legend names labels that are there.
    for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      for (const { metric } of samples) expect(metric).toHaveProperty([label]);
    }
  });

  it('counts both agents, and which trouble there is', async () => {
    const told = async (title: string): Promise<string | undefined> => {
      const expr = dashboardPanels().find((panel) => panel.title === title)?.targets?.[0]?.expr ?? '';
      return (await query(asked(expr)))[0]?.value[1];
    };
    expect(await told('Nodes that need a reboot')).toBe('1');
    expect(await told('Slots with a problem')).toBe('1');
    // Prometheus itself is a process, too.
    expect((await query('process_resident_memory_bytes{job="others"}')).length).toBe(1);
    const memory = queries.find(({ expr }) => expr.startsWith('max(process_resident_memory_bytes'))?.expr ?? '';
    const measured = await query(asked(memory.replace('max(', 'count by (job) (')));
    expect(measured.map(({ metric }) => metric['job'])).toEqual(['nodetender']);
    expect(await query('count(up{job="nodetender"} == 1)')).toMatchObject([{ value: [expect.anything(), '2'] }]);
  });
});

it('Prometheus evaluates every alert, and those of what has happened are on their way', async () => {
  const answer = await fetch(`${address}/api/v1/rules`);
  const { data } = (await answer.json()) as {
    data: { groups: { rules: { name: string; health: string; state: string }[] }[] };
  };
  const rules = data.groups.flatMap((group) => group.rules);
  expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  const pending = rules.filter(({ state }) => state !== 'inactive').map(({ name }) => name);
  expect(pending).toEqual([
    'NodetenderRollStuck',
    'NodetenderSlotHeldTooLong',
    'NodetenderRebootPending',
    'NodetenderRebootFailing',
    'NodetenderRebootImpossible',
    'NodetenderCleaningFailing',
    'NodetenderRuntimeUnreachable',
    'NodetenderConfigRefused',
  ]);
});

async function query(expr: string): Promise<readonly Sample[]> {
  const answer = await fetch(`${address}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expr }) });
  const body = (await answer.json()) as { error?: string; data: { result: Sample[] } };
  if (!answer.ok) throw new Error(`${body.error}: ${expr}`);
  return body.data.result;
}

async function startAgent(listen: string): Promise<Daemon> {
  const config = join(folder, 'config.yaml');
  const content = {
    runtime: { endpoint: runtime.endpoint },
    http: { address: listen },
  };
  await writeFile(config, JSON.stringify(content));
  const daemon = new Daemon({
    name: 'nodetender agent',
    program: process.execPath,
    args: [mainScript, 'agent', '--config', config, '--state-dir', join(folder, 'state')],
    log: join(folder, 'agent.log'),
    ready: async () => (await fetch(`http://${listen}/readyz`)).ok,
    readyDeadlineMs: READY_DEADLINE_MS,
  });
  await daemon.start();
  return daemon;
}

/** The pages of an agent that was told of everything, and goes on being told between scrapes. */
async function eventfulPages(): Promise<PageServer> {
  const metrics = new Metrics({ version: '1.2.3', commit: 'abc' });
  const once = tellAll(metrics);
  return await servePages(
    { host: '127.0.0.1', port: 0 },
    {
      '/metrics': async () => {
        once();
        return { status: 200, ...(await metrics.page()) };
      },
    },
    () => undefined,
  );
}

/** Tells what stays, and gives what is to be told again and again. */
function tellAll(metrics: Metrics): () => void {
  const weeksAgoMs = Date.now() - 14 * 86_400_000;
  const idle = initialState('uid', weeksAgoMs);
  const need = { kind: 'sentinel', sinceMs: weeksAgoMs, packages: [] } as const;
  const reason = { code: 'gate-blocks', text: 'why', gates: ['window'] } as const;
  const waiting: State = { ...idle, phase: 'waiting', sinceMs: weeksAgoMs + 1000, need, reason, failures: 3 };
  metrics.configRefused();
  metrics.runtimeUp(false);
  metrics.clusterUp(true);
  metrics.cleaningBlocked('held');
  metrics.disk({ totalBytes: 1000, freeBytes: 100 });
  metrics.history(10, true);
  metrics.planned({ plannedAtMs: 0, keep: [{ image, verdict: 'keep', code: 'in-use', reason: 'r' }], remove: [] });
  metrics.reboots.rebootPossible(false);
  metrics.reboots.slotsSeen([
    {
      slot: slot('default-0', { heldBy: 'web-3' }),
      node: 'web-3',
      heldSeconds: 10_000,
      problem: { code: 'never-came-back', text: 'why' },
    },
  ]);
  let before: State = waiting;
  const step = (phase: State['phase'], failures: number): void => {
    const after: State = { ...waiting, phase, failures, sinceMs: before.sinceMs + 1000 };
    metrics.reboots.stepped(before, after, reason);
    before = after;
  };
  return () => {
    metrics.runEnded(report, 0.01);
    metrics.runtimeError('runtime/unavailable');
    step('draining', 2);
    step('waiting', 3);
    metrics.reboots.drainEnded('drained', 5_000);
    metrics.reboots.evictionAnswered('accepted');
    metrics.reboots.notified('sent');
  };
}

const image: ImageRecord = {
  id: 'a',
  sizeBytes: 7,
  tags: [],
  digests: [],
  pinned: false,
  users: [],
  firstSeenMs: 0,
  lastUsedMs: undefined,
  preloaded: false,
  namelessSinceMs: undefined,
  failure: undefined,
};

const report: Report = {
  trigger: 'schedule',
  dryRun: false,
  startedAtMs: 1_000_000,
  durationMs: 2_000,
  outcome: 'failed',
  error: 'why',
  plan: { plannedAtMs: 1_000_000, keep: [], remove: [] },
  removed: [{ id: 'a', name: 'a', sizeBytes: 10, code: 'unused', reason: 'r', cameBack: false }],
  skipped: [],
  failed: [],
  estimatedFreedBytes: 10,
  measuredFreedBytes: 4,
};
