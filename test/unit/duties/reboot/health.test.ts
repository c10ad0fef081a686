import { afterEach, describe, expect, it } from 'vitest';
import { daemonSets, pods } from '../../../../agent/cluster/objects.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;

let site: OneNode;
afterEach(() => site.stop());

/** Of a DaemonSet of that name. */
async function daemonPod(name: string): Promise<void> {
  const { uid } = (await site.clock.run(site.admin.create(daemonSets, 'default', { metadata: { name } }))).metadata;
  await site.runPod(`${name}-x`);
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid, controller: true }];
  const target = { namespace: 'default', name: `${name}-x` };
  await site.clock.run(site.admin.patch(pods, target, { type: 'merge', body: { metadata: { ownerReferences } } }));
}

async function ready(name: string, status: 'True' | 'False'): Promise<void> {
  const body = { status: { conditions: [{ type: 'Ready', status }] } };
  const target = { namespace: 'default', name: `${name}-x` };
  await site.clock.run(site.admin.patch(pods, target, { type: 'merge', body, subresource: 'status' }));
}

const state = (): string | undefined => site.node().metadata.labels?.['nodetender.dev/state'];
const record = (): string => site.node().metadata.annotations?.['nodetender.dev/reboot-status'] ?? '';

describe('the pods of DaemonSets after a reboot', () => {
  it('that were not Ready before it do not keep the node, and are forgotten with it', async () => {
    site = await OneNode.start();
    for (const name of ['gpu', 'logs']) await daemonPod(name);
    await ready('gpu', 'False');
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    const cordoned = site.seen.get('cordoned')?.metadata.annotations?.['nodetender.dev/reboot-status'];
    expect(cordoned).toContain('"notReadyBefore":["default/gpu"]');
    expect(state()).toBeUndefined();
    expect(site.reasons().at(-1)).toBe('RebootDone');
    expect(record()).not.toContain('notReadyBefore');
  });

  it('that were not Ready are forgotten also with a try that is undone', async () => {
    site = await OneNode.start('  hooks: { before: { annotations: [example.com/ready], timeout: 1m } }\n');
    await daemonPod('gpu');
    await ready('gpu', 'False');
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect([state(), record()]).toEqual(['cordoned', expect.stringContaining('"notReadyBefore":["default/gpu"]')]);
    await site.clock.advance(2 * MINUTE_MS);
    expect([state(), record()]).toEqual(['backing-off', expect.not.stringContaining('notReadyBefore')]);
  });

  it('that were Ready before it have to be again', async () => {
    site = await OneNode.start();
    for (const name of ['gpu', 'logs']) await daemonPod(name);
    await ready('gpu', 'False');
    site.need.want();
    site.host.subscribe((is) => {
      if (is === 'up') void ready('logs', 'False');
    });
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(state()).toBe('verifying');
    expect(record()).toContain('not Ready: default/logs-x');
    await ready('logs', 'True');
    await site.clock.advance(MINUTE_MS);
    expect(state()).toBeUndefined();
  });
});
