import { afterEach, expect, it } from 'vitest';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;
const hooks = '  hooks: { after: { annotations: [example.com/agent, example.com/disk] } }\n';

let site: OneNode;
afterEach(() => site.stop());

const recordedGates = (): unknown =>
  JSON.parse(site.node().metadata.annotations?.['nodetender.dev/reboot-status'] ?? '{}').reason.gates;

it('a vote that comes and goes beside one that stays away is told every ten minutes; its metric is current', async () => {
  site = await OneNode.start(hooks);
  site.need.want();
  await site.clock.advance(5 * MINUTE_MS);
  expect(recordedGates()).toEqual(['example.com/agent', 'example.com/disk']);
  const told = site.events.length;
  const isWrite = (request: string): boolean => /^PATCH .*\/nodes\/node-1$/.test(request);
  const written = site.requests.filter(isWrite).length;
  for (let half = 0; half < 50; half += 1) {
    const isYes = half % 2 === 0;
    await site.annotate({ 'example.com/disk': isYes ? 'true' : 'false' });
    await site.clock.advance(MINUTE_MS / 2);
    expect(await site.metric('nodetender_reboot_blocked{gate="example.com/agent"}')).toBe('1');
    expect(await site.metric('nodetender_reboot_blocked{gate="example.com/disk"}')).toBe(isYes ? undefined : '1');
  }
  expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe('verifying');
  expect(site.requests.filter(isWrite).length - written).toBeLessThanOrEqual(2);
  expect(site.reasons().slice(told)).toEqual(['RebootHooksPending', 'RebootHooksPending']);
  await site.annotate({ 'example.com/disk': 'true' });
  await site.clock.advance(11 * MINUTE_MS);
  expect(recordedGates()).toEqual(['example.com/agent']);
});
