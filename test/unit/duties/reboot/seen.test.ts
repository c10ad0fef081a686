import { afterEach, describe, expect, it } from 'vitest';
import { budgets, leases } from '../../../../agent/cluster/objects.ts';
import { parseConfig } from '../../../../agent/config/load.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;

let site: OneNode;
afterEach(() => site.stop());

const watchesOf = (plural: string): number =>
  site.server.faults.arrivals.filter(({ resource, verb }) => resource === plural && verb === 'watch').length;

describe('the condition RebootRequired', () => {
  it('says by what, since when and what becomes of it, and that it is over', async () => {
    site = await OneNode.start();
    await site.clock.advance(MINUTE_MS);
    expect(site.condition('RebootRequired')).toBeUndefined();
    site.paused = 'a freeze';
    site.need.want(['linux-image', 'libc6']);
    await site.clock.advance(MINUTE_MS);
    expect(site.condition('RebootRequired')).toEqual({
      status: 'True',
      reason: 'Paused',
      message:
        'the host asks for it since 2026-01-01T00:01:00Z (linux-image, libc6); reboots are paused on all nodes: a freeze',
    });
    site.paused = false;
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(site.condition('RebootRequired')).toMatchObject({ status: 'False', message: 'no reboot is wanted' });
  });
});

describe('the label of the state', () => {
  const label = 'nodetender.dev/state';
  const labelled = (value: string | null): Promise<void> => site.patch({ metadata: { labels: { [label]: value } } });

  it('is put back where a person has taken it away or changed it', async () => {
    site = await OneNode.start();
    site.paused = 'a freeze';
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    await labelled(null);
    await site.clock.advance(1_000);
    expect(site.node().metadata.labels?.[label]).toBe('wanted');
    await site.clock.advance(MINUTE_MS);
    await labelled('rebooting');
    await site.clock.advance(1_000);
    expect(site.node().metadata.labels?.[label]).toBe('wanted');
  });

  it('is taken from a node that wants nothing', async () => {
    site = await OneNode.start();
    await labelled('waiting');
    await site.clock.advance(1_000);
    expect(site.node().metadata.labels?.[label]).toBeUndefined();
  });

  it('is written once a minute where something takes it away each time', async () => {
    site = await OneNode.start();
    site.paused = 'a freeze';
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    const before = site.requests.length;
    for (let seconds = 0; seconds < 600; seconds += 5) {
      await labelled(null);
      await site.clock.advance(5_000);
    }
    const writes = site.requests.slice(before).filter((request) => request.startsWith('PATCH'));
    expect(writes.length).toBeLessThanOrEqual(11);
  });
});

describe('people are told of a reboot', () => {
  it('when nothing forbids it any more, before the host is told, and for three seconds at most', async () => {
    site = await OneNode.start();
    const waits: number[] = [];
    site.notesSent = async (ms) => {
      waits.push(ms);
      expect(site.notes.at(-1)?.event).toBe('reboot');
      expect(site.requests.at(-1)).toMatch(/^PATCH .*\/leases\//);
      expect(site.host.rebootsAsked).toBe(0);
    };
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    expect(waits).toEqual([3_000]);
    expect(site.host.boots).toHaveLength(2);
  });

  it('but not where the Lease cannot be written before it', async () => {
    site = await OneNode.start('  delay: 1m\n');
    site.need.want();
    await site.clock.advance(30_000);
    expect(site.seen.has('draining')).toBe(true);
    site.server.faults.add({
      matches: ({ resource, verb, user }) => resource === 'leases' && verb === 'patch' && user === 'agent',
      refuse: { status: 503 },
    });
    await site.clock.advance(MINUTE_MS);
    expect(site.seen.has('rebooting')).toBe(true);
    expect(site.notes.map(({ event }) => event)).not.toContain('reboot');
  });
});

it('a condition that may not be written is in the way of no reboot', async () => {
  site = await OneNode.start();
  site.server.faults.add({
    matches: ({ subresource, user }) => subresource === 'status' && user === 'agent',
    refuse: { status: 403 },
  });
  site.need.want();
  await site.clock.advance(10 * MINUTE_MS);
  expect(site.host.boots).toHaveLength(2);
  expect(site.node().metadata.labels?.['nodetender.dev/state']).toBeUndefined();
  expect(site.condition('RebootRequired')).toBeUndefined();
});

describe('a host that denies reboots', () => {
  it('is told of at the start, before one is wanted, and so is that it no longer does', async () => {
    site = await OneNode.start();
    site.host.canReboot = 'no';
    await site.clock.advance(0);
    expect(site.reasons()).toEqual(['RebootImpossible']);
    expect(site.condition('RebootPossible')).toMatchObject({ status: 'False', reason: 'HostDenies' });
    expect(site.condition('RebootPossible')?.message).toContain('CanReboot says no');
    expect(await site.metric('nodetender_reboot_possible')).toBe('0');
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.seen.has('cordoned')).toBe(false);
    expect(await site.metric('nodetender_reboot_blocked{gate="host"}')).toBe('1');
    expect(site.reasons().filter((reason) => reason === 'RebootImpossible')).toHaveLength(1);
    site.host.canReboot = 'yes';
    await site.clock.advance(3 * MINUTE_MS);
    expect(site.condition('RebootPossible')).toMatchObject({ status: 'True', reason: 'HostAllows' });
    expect(await site.metric('nodetender_reboot_possible')).toBe('1');
  });
});

it('a host that gives another reason each time is told of by one Event an hour at most', async () => {
  site = await OneNode.start();
  for (let minute = 0; minute < 20; minute += 1) {
    site.host.canReboot = `no-${minute}`;
    await site.clock.advance(MINUTE_MS);
  }
  expect(site.reasons()).toEqual(['RebootImpossible']);
  const patches = site.server.faults.arrivals.filter(
    ({ user, subresource }) => user === 'agent' && subresource === 'status',
  );
  expect(patches).toHaveLength(1);
});

describe('people', () => {
  it('hear of drain, reboot and return by messages, and of each step by an Event that is told once', async () => {
    site = await OneNode.start();
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.notes.map(({ event, node, pool }) => [event, node, pool])).toEqual([
      ['drain', 'node-1', 'default'],
      ['reboot', 'node-1', 'default'],
      ['uncordon', 'node-1', 'default'],
    ]);
    const identities = site.events.map(({ identity }) => identity);
    expect(new Set(identities).size).toBe(identities.length);
    expect(site.reasons()).toEqual([
      'RebootWanted',
      'RebootWaiting',
      'RebootSlotTaken',
      'RebootCordoned',
      'RebootDraining',
      'Rebooting',
      'RebootGoingDown',
      'Rebooted',
      'RebootSoaking',
      'RebootDone',
    ]);
  });

  it('hear what a drain loses once for each drain, however often it gets further', async () => {
    site = await OneNode.start();
    for (const pod of ['a', 'b', 'c']) await site.runPod(pod);
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    const warnings = site.events.filter(({ reason }) => reason === 'RebootDrainLoses');
    expect(warnings.map(({ type }) => type)).toEqual(['Warning']);
    expect(await site.metric('nodetender_reboot_drains_total{outcome="drained"}')).toBe('1');
    expect(await site.metric('nodetender_reboot_evictions_total{result="accepted"}')).toBe('3');
  });

  it('hear of a pod that may end too late when the drain begins, once, and when it has ended in vain', async () => {
    site = await OneNode.start('  drain: { timeout: 5m }\n');
    await site.runPod('db', {}, { terminationGracePeriodSeconds: 7200 });
    await site.runPod('web');
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    const text = 'default/db: may take up to 7200 s to end, and drain.timeout is 300 s';
    const warnings = site.events.filter(({ reason }) => reason === 'RebootDrainTakesLong');
    expect(warnings.map(({ type, note }) => [type, note])).toEqual([['Warning', text]]);
    await site.clock.advance(6 * MINUTE_MS);
    expect(site.reasons().filter((reason) => reason === 'RebootDrainTakesLong')).toHaveLength(1);
    expect(site.events.find(({ reason }) => reason === 'RebootDrainFailed')?.note).toContain(text);
  });

  it.each([
    ['goes back', 'back-out'],
    ['stays cordoned', 'stay'],
  ])('hear of pods and budgets in the way of a drain, and by a message when it has failed and %s', async (_, stuck) => {
    site = await OneNode.start(`  drain: { timeout: 2m, whenStuck: ${stuck} }\n`);
    await site.runPod('web-1', { app: 'web' });
    await site.runPod('web-2', { app: 'web' });
    const selector = { matchLabels: { app: 'web' } };
    const budget = { metadata: { name: 'web' }, spec: { selector, minAvailable: 1 } };
    await site.clock.run(site.admin.create(budgets, 'default', budget));
    site.need.want();
    await site.clock.advance(1.5 * MINUTE_MS);
    const blocked = site.events.find(({ reason }) => reason === 'RebootDrainBlocked');
    expect(blocked?.note).toMatch(/1 pod left, in the way: budget: default\/web-\d: PodDisruptionBudget default\/web/);
    expect(await site.metric('nodetender_reboot_blocked{gate="budget"}')).toBe('1');
    expect(site.node().metadata.annotations?.['nodetender.dev/reboot-status']).toContain('default/web');
    expect(site.notes.map(({ event }) => event)).toEqual(['drain']);
    await site.clock.advance(MINUTE_MS);
    expect(site.reasons()).toContain('RebootDrainFailed');
    expect(site.notes.map(({ event }) => event)).toEqual(['drain', 'problem']);
    expect(await site.metric('nodetender_reboot_blocked{gate="drain"}')).toBe('1');
    expect(await site.metric('nodetender_reboot_drains_total{outcome="stuck"}')).toBe('1');
    expect(await site.metric('nodetender_reboot_failures_total{reason="drain-failed"}')).toBe('1');
    expect(await site.metric('nodetender_reboot_consecutive_failures')).toBe('1');
  });
});

describe('a gate', () => {
  it.each([
    ['window', "  windows: { allow: [{ days: [sun], from: '02:00', to: '04:00' }] }\n", 'RebootOutsideWindow'],
    // Nobody listens there.
    ['prometheus', '  prometheus: { url: http://127.0.0.1:9 }\n', 'RebootBlocked'],
    ['pods', '  gates: { blockingPods: [app=batch] }\n', 'RebootBlocked'],
  ])('that blocks is named by metric, Event, condition and record: %s', async (gate, settings, event) => {
    site = await OneNode.start(settings);
    await site.runPod('batch-1', { app: 'batch' });
    site.need.want();
    for (let looks = 0; looks < 50 && !site.reasons().includes(event); looks += 1) await site.clock.advance(1_000);
    expect(site.reasons()).toContain(event);
    expect(await site.metric(`nodetender_reboot_blocked{gate="${gate}"}`)).toBe('1');
    expect(site.condition('RebootRequired')?.status).toBe('True');
    expect(site.node().metadata.annotations?.['nodetender.dev/reboot-status']).toContain(`"gates":["${gate}"]`);
    expect(site.seen.has('cordoned')).toBe(false);
  });

  it('that gives way to another is told anew, and one that goes leaves the metric', async () => {
    site = await OneNode.start();
    const end = site.host.inhibit({ what: 'shutdown', who: 'apt', why: 'unpacking', mode: 'block', uid: 0, pid: 7 });
    site.need.want();
    await site.clock.advance(2 * MINUTE_MS);
    expect(await site.metric('nodetender_reboot_blocked{gate="inhibitors"}')).toBe('1');
    end();
    site.host.canReboot = 'no';
    await site.clock.advance(2 * MINUTE_MS);
    expect(site.events.filter(({ reason }) => reason === 'RebootBlocked').map(({ note }) => note.slice(0, 22))).toEqual(
      ['blocked by inhibitors:', 'blocked by host: syste'],
    );
    expect(await site.metric('nodetender_reboot_blocked{gate="inhibitors"}')).toBeUndefined();
    site.host.canReboot = 'yes';
    await site.clock.advance(2 * MINUTE_MS);
    expect(await site.metric('nodetender_reboot_blocked{gate="host"}')).toBeUndefined();
  });
});

describe('Leases', () => {
  it('are not followed for long by a node that wants nothing, and are by one that waits', async () => {
    site = await OneNode.start();
    await site.clock.advance(15 * MINUTE_MS);
    const followed = site.server.watchCount;
    site.server.faults.forgetArrivals();
    await site.clock.advance(3 * 60 * MINUTE_MS);
    expect(watchesOf('leases')).toBe(0);
    site.paused = 'a freeze';
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(site.server.watchCount).toBe(followed + 1);
  });

  it('that this node holds without knowing are found and given back', async () => {
    site = await OneNode.start();
    await site.clock.advance(15 * MINUTE_MS);
    // The answer to the write was lost for longer than anybody waited.
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'node-1', uid: site.uid };
    const metadata = {
      name: 'nodetender-default-0',
      labels: { 'nodetender.dev/pool': 'default' },
      ownerReferences: [owner],
    };
    await site.clock.run(site.admin.create(leases, 'default', { metadata, spec: { holderIdentity: 'node-1' } }));
    await site.clock.advance(35 * MINUTE_MS);
    const target = { namespace: 'default', name: 'nodetender-default-0' };
    const lease = await site.clock.run(site.admin.get(leases, target));
    expect(lease.spec?.holderIdentity).toBe('');
  });
});

it('a setting that changes is in force at the next step', async () => {
  site = await OneNode.start("  windows: { deny: [{ from: '00:00', to: '24:00' }] }\n");
  site.need.want();
  await site.clock.advance(5 * MINUTE_MS);
  expect(await site.metric('nodetender_reboot_blocked{gate="window"}')).toBe('1');
  site.config = parseConfig('reboot: { enabled: true, sentinel: { settle: 0s } }', 'test').reboot;
  await site.clock.advance(10 * MINUTE_MS);
  expect(site.host.boots).toHaveLength(2);
});

describe('what the API server keeps refusing', () => {
  it('is told once, with what to do, when it has been tried for a while', async () => {
    site = await OneNode.start();
    site.server.faults.add({
      matches: ({ resource, verb, user }) => resource === 'nodes' && verb === 'patch' && user === 'agent',
      refuse: { status: 403 },
    });
    site.need.want();
    await site.clock.advance(3_000);
    expect(site.reasons()).toEqual([]);
    await site.clock.advance(30 * MINUTE_MS);
    expect(site.reasons()).toEqual(['RebootStepFailed']);
    expect(site.events[0]?.note).toContain('Grant the verb "patch" on nodes');
  });

  it('costs nobody else the slot where a drain may not even be tried', async () => {
    site = await OneNode.start();
    site.server.faults.add({
      matches: ({ resource, verb, user }) => resource === 'pods' && verb === 'list' && user === 'agent',
      refuse: { status: 403 },
    });
    site.need.want();
    await site.clock.advance(5 * MINUTE_MS);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe('backing-off');
    expect(site.reasons()).toContain('RebootDrainImpossible');
    const slot = await site.clock.run(site.admin.get(leases, { namespace: 'default', name: 'nodetender-default-0' }));
    expect(slot.spec?.holderIdentity).toBe('');
  });
});

describe('a value of nodetender.dev/reboot', () => {
  it.each([
    ['nothing', '', 'found nothing'],
    ['more than the record has room for', 'x'.repeat(254), 'at most 253 characters'],
    ['a no', 'False', 'remove the annotation'],
  ])('that is %s is refused once, with a word on why, and reboots nobody', async (_, value, why) => {
    site = await OneNode.start();
    await site.annotate({ 'nodetender.dev/reboot': value });
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.reasons()).toEqual(['RebootRequestRefused']);
    expect(site.events[0]?.note).toContain(why);
    expect(site.host.boots).toHaveLength(1);
  });

  it('that has been done is not done again because somebody has taken the record of it away', async () => {
    site = await OneNode.start();
    await site.annotate({ 'nodetender.dev/reboot': 'one' });
    await site.clock.advance(30 * MINUTE_MS);
    await site.annotate({ 'nodetender.dev/reboot-status': null });
    await site.clock.advance(90 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(site.reasons().filter((reason) => reason === 'RebootRecordDamaged')).toHaveLength(1);
    expect(site.node().metadata.annotations?.['nodetender.dev/reboot-status']).toContain('"requestHandled":"one"');
  });
});
