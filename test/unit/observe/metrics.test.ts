import { beforeEach, describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../../agent/images/inventory.ts';
import type { KeepDecision, RemoveDecision } from '../../../agent/images/plan.ts';
import type { Report } from '../../../agent/images/report.ts';
import { Metrics } from '../../../agent/observe/metrics.ts';

let metrics: Metrics;
beforeEach(() => {
  metrics = new Metrics({ version: '1.2.3', commit: 'abc' });
});

/** The samples on the page, as a map from name and labels to value. */
async function samples(): Promise<Map<string, string>> {
  const { body } = await metrics.page();
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]));
}

function image(id: string, sizeBytes: number): ImageRecord {
  return {
    id,
    sizeBytes,
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
}

const removed: RemoveDecision = { image: image('a', 10), verdict: 'remove', code: 'unused', reason: 'r' };
const kept: KeepDecision = { image: image('b', 7), verdict: 'keep', code: 'in-use', reason: 'r' };

const report: Report = {
  trigger: 'schedule',
  dryRun: false,
  startedAtMs: 1_000_000,
  durationMs: 2_000,
  outcome: 'done',
  error: undefined,
  plan: { plannedAtMs: 1_000_000, keep: [kept], remove: [removed] },
  removed: [{ id: 'a', name: 'a', sizeBytes: 10, code: 'unused', reason: 'r', cameBack: false }],
  skipped: [{ id: 'c', name: 'c', why: 'w' }],
  failed: [{ id: 'd', name: 'd', message: 'm' }],
  estimatedFreedBytes: 10,
  measuredFreedBytes: 4,
};

describe('the metrics', () => {
  it('count a run by what set it off, how it ended and what it did', async () => {
    metrics.runBegan();
    expect((await samples()).get('nodetender_run_in_progress')).toBe('1');
    metrics.runEnded(report, 0.012);
    const page = await samples();
    expect(page.get('nodetender_run_in_progress')).toBe('0');
    expect(page.get('nodetender_runs_total{trigger="schedule",outcome="done"}')).toBe('1');
    expect(page.get('nodetender_images_removed_total{reason="unused"}')).toBe('1');
    expect(page.get('nodetender_images_skipped_total')).toBe('1');
    expect(page.get('nodetender_image_removals_failed_total')).toBe('1');
    expect(page.get('nodetender_images_freed_estimated_bytes_total')).toBe('10');
    expect(page.get('nodetender_images_freed_measured_bytes_total')).toBe('4');
    expect(page.get('nodetender_run_duration_seconds_sum')).toBe('2');
    expect(page.get('nodetender_last_run_end_timestamp_seconds{outcome="done"}')).toBe('1002');
    expect(page.get('nodetender_run_event_loop_delay_seconds')).toBe('0.012');
  });

  it('show counters at zero before their first step', async () => {
    const page = await samples();
    expect(page.get('nodetender_runs_total{trigger="watermark",outcome="failed"}')).toBe('0');
    expect(page.get('nodetender_images_removed_total{reason="orphan"}')).toBe('0');
  });

  it('leave out what is not known yet', async () => {
    const page = await samples();
    for (const name of ['next_run_timestamp_seconds', 'images_disk_free_bytes', 'runtime_up', 'config_valid']) {
      expect(page.has(`nodetender_${name}`)).toBe(false);
    }
  });

  it('take a disk that became fuller during a run as nothing freed', async () => {
    metrics.runEnded({ ...report, measuredFreedBytes: -5 }, 0);
    metrics.runEnded({ ...report, measuredFreedBytes: undefined }, 0);
    expect((await samples()).get('nodetender_images_freed_measured_bytes_total')).toBe('0');
  });

  it('show the images of the last look only', async () => {
    metrics.planned(report.plan);
    metrics.planned({ plannedAtMs: 2, keep: [kept, { ...kept, image: image('e', 3) }], remove: [] });
    const page = await samples();
    expect(page.get('nodetender_images{verdict="keep",reason="in-use"}')).toBe('2');
    expect(page.get('nodetender_images_size_bytes{verdict="keep",reason="in-use"}')).toBe('10');
    expect(page.has('nodetender_images{verdict="remove",reason="unused"}')).toBe(false);
  });

  it('forget the next run when nothing is scheduled any more', async () => {
    metrics.nextRun(5_000);
    expect((await samples()).get('nodetender_next_run_timestamp_seconds')).toBe('5');
    metrics.nextRun(undefined);
    expect((await samples()).has('nodetender_next_run_timestamp_seconds')).toBe(false);
  });

  it('keep the time of the last good configuration when a bad one is refused', async () => {
    metrics.configAccepted(9_000);
    metrics.configRefused();
    const page = await samples();
    expect(page.get('nodetender_config_valid')).toBe('0');
    expect(page.get('nodetender_config_last_accepted_timestamp_seconds')).toBe('9');
  });

  it('name one runtime at a time', async () => {
    metrics.runtimeKnown({ name: 'containerd', version: '1.7.0', apiVersion: 'v1' });
    metrics.runtimeKnown({ name: 'containerd', version: '2.0.0', apiVersion: 'v1' });
    const names = [...(await samples()).keys()].filter((name) => name.startsWith('nodetender_runtime_info'));
    expect(names).toEqual(['nodetender_runtime_info{name="containerd",version="2.0.0"}']);
  });

  it('say what is running', async () => {
    const page = await samples();
    expect(page.get(`nodetender_build_info{version="1.2.3",commit="abc",node="${process.version}"}`)).toBe('1');
    expect(Number(page.get('process_resident_memory_bytes'))).toBeGreaterThan(1e6);
    expect(Number(page.get('process_cpu_seconds_total'))).toBeGreaterThan(0);
  });

  it('are all described in docs/metrics.md', async () => {
    const lines = metrics.registry.getMetricsAsArray().map((metric) => {
      const { name, help, type, labelNames } = metric as unknown as Record<string, string> & { labelNames: string[] };
      return `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
    });
    const page = [
      '# Metrics',
      '',
      'Served on `/metrics` of the address in `http.address`. A scrape asks nothing of the container runtime. A gauge whose',
      'value is not known is absent. This page is written by `npx vitest -u --project unit test/unit/observe`.',
      '',
      '| name | type | labels | meaning |',
      '| --- | --- | --- | --- |',
      ...lines.sort(),
      '',
    ];
    await expect(page.join('\n')).toMatchFileSnapshot('../../../docs/metrics.md');
  });
});
