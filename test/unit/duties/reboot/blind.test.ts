import { afterEach, describe, expect, it } from 'vitest';
import { ClusterError } from '../../../../agent/cluster/errors.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;
const hooks = '  hooks: { before: { annotations: [example.com/ok], timeout: 6h } }\n';

describe('a cordoned node whose agent no longer sees what is wanted', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  const state = (): string | undefined => site.node().metadata.labels?.['nodetender.dev/state'];
  const blocked = async (): Promise<string | undefined> =>
    await site.metric('nodetender_reboot_blocked{gate="sentinel"}');

  it('says so, and takes pods again when it has not for a while', async () => {
    site = await OneNode.start(hooks);
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(state()).toBe('cordoned');
    site.need.problem = new ClusterError('cluster/timeout', 'the command did not end');
    await site.clock.advance(5 * MINUTE_MS);
    expect([state(), await blocked()]).toEqual(['cordoned', '1']);
    await site.clock.advance(8 * MINUTE_MS);
    expect(state()).toBe('backing-off');
    expect(site.node().spec?.unschedulable).toBeUndefined();
    expect(site.notes.at(-1)).toMatchObject({ event: 'problem', reason: 'the sentinel cannot be seen' });
  });

  it('goes on where it sees it again in time, and then has as much time anew', async () => {
    site = await OneNode.start(hooks);
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    for (const _ of [1, 2, 3]) {
      site.need.problem = new ClusterError('cluster/timeout', 'the command did not end');
      await site.clock.advance(8 * MINUTE_MS);
      site.need.problem = undefined;
      await site.clock.advance(2 * MINUTE_MS);
    }
    expect(state()).toBe('cordoned');
    await site.annotate({ 'example.com/ok': 'true' });
    await site.clock.advance(5 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
  });

  it('has all of that time for each fact: one that nobody needed to see counts for none', async () => {
    site = await OneNode.start(hooks);
    site.need.problem = new ClusterError('cluster/timeout', 'the command did not end');
    await site.clock.advance(60 * MINUTE_MS);
    await site.annotate({ 'nodetender.dev/reboot': 'please' });
    await site.clock.advance(2 * MINUTE_MS);
    expect(state()).toBe('cordoned');
    site.paused = undefined;
    await site.clock.advance(9 * MINUTE_MS);
    expect(state()).toBe('cordoned');
    await site.clock.advance(3 * MINUTE_MS);
    expect(state()).toBe('backing-off');
  });

  it('evicts no more pods until it sees it again', async () => {
    site = await OneNode.start('  drain: { timeout: 6h, podTimeout: 6h }\n');
    await site.runPod('slow', {}, { terminationGracePeriodSeconds: 3_600 });
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(state()).toBe('draining');
    site.need.problem = new ClusterError('cluster/timeout', 'the command did not end');
    await site.clock.advance(2 * MINUTE_MS);
    await site.runPod('late');
    await site.clock.advance(3 * MINUTE_MS);
    expect(site.hasPod('late')).toBe(true);
    site.need.problem = undefined;
    await site.clock.advance(2 * MINUTE_MS);
    expect(site.hasPod('late')).toBe(false);
  });
});

describe('a drain whose need is seen now and then', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  it.each([10, 90])('ends in its time all the same, in turns of %i s', async (turnSeconds) => {
    site = await OneNode.start('  drain: { timeout: 5m }\n');
    await site.runPod('slow', {}, { terminationGracePeriodSeconds: 36_000 });
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    const told = site.events.length;
    for (let passed = 0; passed < 600; passed += turnSeconds) {
      const isSeen = (passed / turnSeconds) % 2 === 1;
      site.need.problem = isSeen ? undefined : new ClusterError('cluster/timeout', 'the command did not end');
      await site.annotate({ 'example.com/turn': String(passed) });
      await site.clock.advance(turnSeconds * 1_000);
    }
    expect(site.node().spec?.unschedulable).toBeUndefined();
    expect(site.holder()).toBe('');
    expect(site.events.length - told).toBeLessThan(50);
  });

  it('is not begun anew because of a moment', async () => {
    site = await OneNode.start('  drain: { timeout: 30m }\n');
    await site.runPod('slow', {}, { terminationGracePeriodSeconds: 36_000 });
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    site.need.problem = new ClusterError('cluster/timeout', 'the command did not end');
    await site.clock.advance(MINUTE_MS / 2);
    site.need.problem = undefined;
    await site.clock.advance(5 * MINUTE_MS);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe('draining');
    expect(await site.metric('nodetender_reboot_drains_total{outcome="stopped"}')).not.toBe('1');
  });
});

describe('a node whose agent may not read the Leases', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  const DAY_MS = 24 * 60 * MINUTE_MS;
  const allButLeases = [
    {
      verbs: ['*'],
      groups: ['*'],
      resources: ['nodes', 'nodes/status', 'pods', 'pods/eviction', 'daemonsets', 'poddisruptionbudgets'],
    },
  ];
  const state = (): string | undefined => site.node().metadata.labels?.['nodetender.dev/state'];
  const blocked = async (): Promise<string | undefined> =>
    await site.metric('nodetender_reboot_blocked{gate="leases"}');
  const recorded = (): unknown => {
    const record = site.node().metadata.annotations?.['nodetender.dev/reboot-status'] ?? '{}';
    return (JSON.parse(record) as { reason?: { code?: string } }).reason?.code;
  };
  const forbid = (): void => site.server.access.grant('agent', allButLeases);

  it('says so where it is cordoned, and takes pods again', async () => {
    site = await OneNode.start(hooks);
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(state()).toBe('cordoned');
    forbid();
    site.restart();
    await site.clock.advance(7 * MINUTE_MS);
    expect([state(), await blocked(), site.reasons().at(-1)]).toEqual(['cordoned', '1', 'RebootFactsMissing']);
    await site.clock.advance(4 * MINUTE_MS);
    expect(state()).toBe('backing-off');
    expect(site.node().spec?.unschedulable).toBeUndefined();
    expect(site.notes.at(-1)).toMatchObject({ event: 'problem', reason: expect.stringContaining('Leases') });
  });

  it('says so where it has rebooted and cannot hand on, and does it as soon as it can', async () => {
    site = await OneNode.start();
    site.host.subscribe((host) => {
      if (host === 'down') forbid();
    });
    site.need.want();
    await site.clock.advance(30 * MINUTE_MS);
    expect(site.node().spec?.unschedulable).toBeUndefined();
    expect([state(), await blocked(), site.reasons().slice(-2)]).toEqual([
      'releasing',
      '1',
      ['RebootFactsMissing', 'RebootFactsMissing'],
    ]);
    await site.clock.advance(DAY_MS);
    // What is told again under the same identity is one Event.
    const missing = site.events.filter(({ reason }) => reason === 'RebootFactsMissing');
    expect(new Set(missing.map(({ identity }) => identity)).size).toBe(1);
    expect(recorded()).toBe('proven');
    site.server.access.grant('agent');
    await site.clock.advance(5 * MINUTE_MS);
    expect([state(), site.holder(), await blocked()]).toEqual([undefined, '', undefined]);
  });

  it('remembers why the try before has failed', async () => {
    site = await OneNode.start('  drain: { timeout: 1m }\n  backoff: { first: 3h, longest: 6h }\n');
    await site.runPod('slow', {}, { terminationGracePeriodSeconds: 3_600 });
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    const isRelease = { resource: 'leases', verb: 'patch' };
    site.server.faults.add({
      matches: ({ resource, verb }) => resource === isRelease.resource && verb === isRelease.verb,
      refuse: { status: 403 },
    });
    await site.clock.advance(2 * MINUTE_MS);
    forbid();
    site.restart();
    await site.clock.advance(8 * MINUTE_MS);
    expect([state(), await blocked()]).toEqual(['backing-off', '1']);
    site.server.faults.clear();
    site.server.access.grant('agent');
    await site.clock.advance(3 * MINUTE_MS);
    expect([recorded(), site.holder(), await blocked()]).toEqual(['drain-failed', '', undefined]);
  });

  it('says so where it waits, and goes on as soon as it can', async () => {
    site = await OneNode.start();
    forbid();
    site.restart();
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    expect([state(), await blocked(), site.reasons().at(-1)]).toEqual(['wanted', '1', 'RebootFactsMissing']);
    site.server.access.grant('agent');
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
  });
});
