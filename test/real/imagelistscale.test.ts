import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { eventually } from '../harness/eventually.ts';
import { ImageListAgent, imageListPath, installEraserObjects } from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { inLanes } from '../harness/lanes.ts';

/** A thousand agents with a connection each, in this process, on one kube-apiserver. */

const AGENTS = 1_000;
const SKIPPED = 30;
const BROKEN = 20;
const image = 'docker.io/library/alpine:3.7.3';

let plane: ControlPlane;
const agents: ImageListAgent[] = [];

beforeAll(async () => {
  // Each agent of a real cluster has an address of its own; here all share one, and one user.
  plane = await ControlPlane.launch({ apiServerFlags: ['--max-requests-inflight=3000'] });
  await installEraserObjects(plane.clients);
});
afterAll(async () => {
  await inLanes(agents, (agent) => agent.kill());
  await plane.destroy();
});

async function status(
  after?: string,
): Promise<Record<'success' | 'failed' | 'skipped', number> & { timestamp: string }> {
  for (;;) {
    const found = (await plane.api.get(imageListPath))['status'] as Awaited<ReturnType<typeof status>> | undefined;
    if (found !== undefined && found.timestamp !== after) return found;
    await delay(1_000);
  }
}

it(
  'a thousand nodes are counted exactly, also when the reporter is killed in the middle',
  { timeout: 900_000 },
  async () => {
    const kubeconfig = await plane.clients.kubeconfigFile('agent');
    const names = Array.from({ length: AGENTS }, (_, index) => `node-${index}`);
    await inLanes(names, async (name) => {
      const labels = names.indexOf(name) < SKIPPED ? { 'eraser.sh/cleanup.filter': 'true' } : {};
      await plane.api.create('/api/v1/nodes', { metadata: { name, labels } });
    });
    await inLanes(names, async (name) => {
      const isBroken = names.indexOf(name) >= AGENTS - BROKEN;
      const options = { timeoutMs: 90_000, ...(isBroken ? { clean: async () => undefined } : {}) };
      agents.push(await ImageListAgent.start(kubeconfig, name, [image], options));
    });
    await delay(5_000);
    const before = (await plane.auditEvents()).length;
    const startedMs = performance.now();
    await plane.api.create('/apis/eraser.sh/v1/imagelists', {
      apiVersion: 'eraser.sh/v1',
      kind: 'ImageList',
      metadata: { name: 'imagelist' },
      spec: { images: ['*'] },
    });
    const first = await status();
    const seconds = (performance.now() - startedMs) / 1000;
    const seenMs = agents
      .flatMap(({ askedAtMs }) => (askedAtMs === 0 ? [] : [askedAtMs - startedMs]))
      .sort((a, b) => a - b);
    const events = (await plane.auditEvents()).slice(before);
    const kinds = Map.groupBy(
      events,
      ({ verb, resource, subresource }) => `${verb} ${resource}${subresource && '/'}${subresource}`,
    );
    const counts = [...kinds].map(([kind, of]) => `${kind} ${of.length}`).join(', ');
    process.stdout.write(
      `${AGENTS} agents: seen after ${Math.round(seenMs[seenMs.length >> 1] ?? 0)} ms at the median, counted after ${seconds.toFixed(1)} s: ${counts}\n`,
    );
    expect(first).toMatchObject({ success: AGENTS - SKIPPED - BROKEN, failed: BROKEN, skipped: SKIPPED });
    expect(agents.filter((agent) => agent.images().length === 0)).toHaveLength(AGENTS - SKIPPED - BROKEN);
    expect(Math.max(...agents.map(({ requests }) => requests.length))).toBe(1);
    expect(kinds.get('patch nodes')).toHaveLength(AGENTS);
    expect(kinds.get('patch imagelists/status')).toHaveLength(1);

    await plane.api.merge(imageListPath, { spec: { images: ['docker.io/library/nothing:1'] } });
    const reporter = await eventually('somebody reports', async () => {
      const lease = '/apis/coordination.k8s.io/v1/namespaces/nodetender/leases/nodetender-imagelist';
      const { spec } = (await plane.api.get(lease)) as { spec?: { holderIdentity?: string } };
      return agents.find(({ name }) => name === spec?.holderIdentity);
    });
    // Its own result is written a moment after its run; without it the count would have to wait for the timeout.
    // A node that is skipped reports as any other, and has no run.
    const hasRun = names.indexOf(reporter.name) >= SKIPPED;
    if (hasRun) await eventually('its own run has begun', async () => reporter.requests.length > 1);
    await delay(1_000);
    await reporter.kill();
    const second = await status(first.timestamp);
    process.stdout.write(`reporter killed: ${JSON.stringify(second)}\n`);
    expect(second.success + second.failed + second.skipped).toBe(AGENTS);
    // The killed agent has reported or it has not.
    expect([BROKEN, BROKEN + 1]).toContain(second.failed);
    expect(hasRun ? [SKIPPED] : [SKIPPED, SKIPPED - 1]).toContain(second.skipped);
  },
);
