import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';
import { chart, helm, renderChart } from '../harness/helm.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { textOfPage } from '../harness/page.ts';

/** An API server that lets only some namespaces use the critical priority classes, as GKE's does. */

const limited = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: ResourceQuota
    configuration:
      apiVersion: apiserver.config.k8s.io/v1
      kind: ResourceQuotaConfiguration
      limitedResources:
        - resource: pods
          matchScopes:
            - scopeName: PriorityClass
              operator: In
              values: [system-node-critical, system-cluster-critical]
`;
const DEADLINE_MS = 60_000;

let folder: string;
let plane: ControlPlane;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nodetender-quota-'));
  const file = join(folder, 'admission.yaml');
  await writeFile(file, limited);
  plane = await ControlPlane.launch({
    controllerManager: true,
    apiServerFlags: [`--admission-control-config-file=${file}`],
  });
  await plane.api.create('/api/v1/nodes', { metadata: { name: 'web-1', labels: { 'kubernetes.io/os': 'linux' } } });
});
afterAll(async () => {
  await plane?.destroy();
  await rm(folder, { recursive: true, force: true });
});

async function install(...args: readonly string[]): Promise<void> {
  const release = ['upgrade', '--install', 'nodetender', chart, '--namespace=nodetender', '--create-namespace'];
  await helm([...release, ...args], { clients: plane.clients });
}

async function podCount(): Promise<number> {
  const { items } = (await plane.api.get('/api/v1/namespaces/nodetender/pods')) as { items: readonly Json[] };
  return items.length;
}

describe('where the critical priority classes are limited', () => {
  it('no pod is made without a quota, and the page on troubleshooting quotes why', async () => {
    await install('--set=resourceQuota=false');
    const [, quoted = 'not quoted'] =
      /`… is forbidden: (insufficient quota[^`]*?) …`/.exec(textOfPage('troubleshooting.md')) ?? [];
    const describe = async (): Promise<string> =>
      await plane.kubectl('describe', 'daemonset', 'nodetender', '-n', 'nodetender');
    await eventually('the controller is refused', async () => (await describe()).includes(quoted), DEADLINE_MS);
    expect(await podCount()).toBe(0);
  });

  it('the chart’s own quota lets them in', async () => {
    await install('--set=resourceQuota=auto');
    expect(await eventually('a pod is there', async () => (await podCount()) || undefined, DEADLINE_MS)).toBe(1);
  });
});

describe('the quota', () => {
  const isMade = async (values: Json, ...args: readonly string[]): Promise<boolean> =>
    (await renderChart(values, { args })).some(({ kind }) => kind === 'ResourceQuota');

  it('is made where the class may be limited, or a person says so', async () => {
    expect(await isMade({})).toBe(true);
    expect(await isMade({}, '--namespace=kube-system')).toBe(false);
    expect(await isMade({ priorityClassName: 'ours' })).toBe(false);
    expect(await isMade({ priorityClassName: 'ours', resourceQuota: true })).toBe(true);
    expect(await isMade({ priorityClassName: '', resourceQuota: true })).toBe(false);
  });
});
