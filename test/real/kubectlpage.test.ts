import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLastClean } from '../../agent/cluster/records.ts';
import { kubernetesComponents } from '../harness/components.ts';
import { kubectl } from '../harness/kubectl.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** docs/kubectl.md, typed line by line into a shell, on a real API server without agents. */

const page = readFileSync(new URL('../../docs/kubectl.md', import.meta.url), 'utf8');
const lines = page.split('\n').flatMap((line) => /^ {4}(kubectl .*)$/.exec(line)?.slice(1) ?? []);

let plane: ControlPlane;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  const { api } = plane.clients;
  await kubectl(plane.clients, 'create', 'namespace', 'nodetender');
  const result = encodeLastClean({
    request: 'first',
    trigger: 'annotation',
    dryRun: false,
    startedAt: '2026-03-01T10:00:00Z',
    durationSeconds: 4,
    outcome: 'done',
    error: null,
    removed: 12,
    failed: 0,
    skipped: 0,
    kept: {},
    estimatedFreedBytes: 1,
    measuredFreedBytes: null,
    images: [],
  });
  const annotations = { 'nodetender.dev/last-clean': result };
  await api.create('/api/v1/nodes', { metadata: { name: 'web-1', labels: { pool: 'web' }, annotations } });
  await api.create('/api/v1/nodes', { metadata: { name: 'web-2', labels: { pool: 'web' } } });
  await api.create('/api/v1/nodes', { metadata: { name: 'db-1' } });
});
afterAll(async () => {
  await plane?.destroy();
});

/** As typed into a shell, with kubectl on the path. */
async function type(line: string): Promise<string> {
  const folder = plane.clients.folder;
  const KUBECONFIG = await plane.clients.kubeconfigFile('reader-of-the-page');
  const PATH = `${dirname(kubernetesComponents().kubectl)}:/usr/bin:/bin`;
  const options = { env: { PATH, HOME: folder, KUBECONFIG }, timeout: 60_000 };
  return (await promisify(execFile)('/bin/sh', ['-c', line], options)).stdout;
}

/** The lines of the page that match, in order. */
function linesWith(pattern: RegExp): string[] {
  return lines.filter((line) => pattern.test(line));
}

async function values(annotation: string): Promise<(string | undefined)[]> {
  const { items } = (await plane.clients.api.get('/api/v1/nodes')) as {
    items: { metadata: { name: string; annotations?: Record<string, string> } }[];
  };
  const byName = new Map(items.map(({ metadata }) => [metadata.name, metadata.annotations?.[annotation]]));
  return ['web-1', 'web-2', 'db-1'].map((name) => byName.get(name));
}

describe('the commands of docs/kubectl.md', () => {
  it('ask one node, those with a label and all of them for a cleaning, and withdraw it', async () => {
    const [one = '', some = '', all = '', dryRun = '', withdraw = '', ...more] = linesWith(/dev\/clean[=-]/);
    expect(more).toEqual([]);
    const time = expect.stringMatching(/^\d+$/) as string;
    await type(one);
    expect(await values('nodetender.dev/clean')).toEqual([time, undefined, undefined]);
    await type(some);
    expect(await values('nodetender.dev/clean')).toEqual([time, time, undefined]);
    await type(all);
    expect(await values('nodetender.dev/clean')).toEqual([time, time, time]);
    await type(dryRun);
    expect((await values('nodetender.dev/clean'))[0]).toMatch(/^dry-run-\d+$/);
    await type(withdraw);
    expect(await values('nodetender.dev/clean')).toEqual([undefined, time, time]);
  });

  it('show what agents say', async () => {
    const [status = '', result = '', table = '', events = '', ...more] = linesWith(/kubectl get/);
    expect(more).toEqual([]);
    expect(await type(status)).toBe('');
    expect(JSON.parse(await type(result))).toMatchObject({ request: 'first', removed: 12 });
    expect(await type(table)).toMatch(/^NAME +HOLD +LAST\n(.*\n)*web-1 +<none> +\{"request":"first"/);
    await type(events);
  });

  it('hold one node, those with a label and all of them, and end it', async () => {
    const [one = '', some = '', all = '', endOne = '', endAll = '', ...more] = linesWith(/dev\/hold[=-]/);
    expect(more).toEqual([]);
    await type(one);
    expect(await values('nodetender.dev/hold')).toEqual(['disk being moved, ask Ada', undefined, undefined]);
    await type(some);
    expect(await values('nodetender.dev/hold')).toEqual([
      'load test until Friday',
      'load test until Friday',
      undefined,
    ]);
    await type(all);
    expect(await values('nodetender.dev/hold')).toEqual(['freeze', 'freeze', 'freeze']);
    await type(endOne);
    expect(await values('nodetender.dev/hold')).toEqual([undefined, 'freeze', 'freeze']);
    await type(endAll);
    expect(await values('nodetender.dev/hold')).toEqual([undefined, undefined, undefined]);
  });

  it('pause all agents, and end it', async () => {
    const [create = '', pause = '', end = '', ...more] = linesWith(/nodetender-control/);
    expect(more).toEqual([]);
    const read = async (): Promise<unknown> => {
      const path = '/api/v1/namespaces/nodetender/configmaps/nodetender-control';
      return ((await plane.clients.api.get(path))['metadata'] as { annotations?: unknown }).annotations ?? {};
    };
    await type(create);
    await type(pause);
    expect(await read()).toEqual({ 'nodetender.dev/pause': 'incident 4711' });
    await type(end);
    expect(await read()).toEqual({});
  });
});
