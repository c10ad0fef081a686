import { afterEach, describe, expect, it } from 'vitest';
import { leases, type NodeObject } from '../../../../agent/cluster/objects.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;
const exclusion = 'node.kubernetes.io/exclude-from-external-load-balancers';
const scaleDown = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';
const marks = `
  marks:
    preferNoScheduleTaint: example.com/reboot-wanted
    labelsBefore: [example.com/maintenance=begun]
    labelsAfter: [example.com/maintenance=done]
    leaveLoadBalancers: true
`;

const elsewhere = {
  metadata: { name: 'nodetender-default-0', labels: { 'nodetender.dev/pool': 'default' } },
  spec: { holderIdentity: 'elsewhere' },
};

let site: OneNode;
afterEach(() => site.stop());

/** What of a Node people and other programs go by. */
function marksOf(node: NodeObject | undefined) {
  const { labels = {}, annotations = {} } = node?.metadata ?? {};
  return {
    cordoned: node?.spec?.unschedulable ?? false,
    soft: (node?.spec?.taints ?? []).flatMap(({ key, effect }) => (effect === 'PreferNoSchedule' ? [key] : [])),
    maintenance: labels['example.com/maintenance'],
    excluded: labels[exclusion],
    scaleDown: annotations[scaleDown],
  };
}

describe('what a Node carries for its reboot', () => {
  it('is put there with the phase that it is for, and gone after it but for the labels that say it is done', async () => {
    site = await OneNode.start(marks);
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    const soft = ['example.com/reboot-wanted'];
    const none = { cordoned: false, maintenance: undefined, excluded: undefined, scaleDown: undefined };
    expect(marksOf(site.seen.get('waiting'))).toEqual({ ...none, soft });
    const away = { cordoned: true, soft, maintenance: 'begun', excluded: 'true', scaleDown: 'true' };
    for (const phase of ['cordoned', 'draining', 'rebooting', 'verifying']) {
      expect([phase, marksOf(site.seen.get(phase))]).toEqual([phase, away]);
    }
    expect(site.host.boots).toHaveLength(2);
    expect(marksOf(site.node())).toEqual({ ...none, soft: [], maintenance: 'done' });
  });

  it('stays where somebody else had put it before', async () => {
    const metadata = { labels: { [exclusion]: '' }, annotations: { [scaleDown]: 'true' } };
    const taint = { key: 'example.com/reboot-wanted', effect: 'PreferNoSchedule' };
    site = await OneNode.start(marks, metadata, { taints: [taint], unschedulable: true });
    site.need.want();
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBeUndefined();
    expect(marksOf(site.node())).toMatchObject({ cordoned: true, excluded: '', scaleDown: 'true' });
    expect(marksOf(site.node()).soft).toEqual(['example.com/reboot-wanted']);
  });

  it.each([
    [
      'outside the windows',
      async () => site.configure(`${marks}  windows: { allow: [{ cron: "0 0 1 1 *", duration: 5m }] }\n`),
    ],
    ['while reboots are off', async () => site.turnOff()],
    ['while all are paused', async () => void (site.paused = 'freeze')],
    ['while it is held', async () => await site.annotate({ 'nodetender.dev/hold': 'mine' })],
    ['while its last boot is too near', async () => site.configure(`${marks}  minInterval: 30d\n`)],
  ])('does not keep pods away %s, and does again after it', async (_, waits) => {
    site = await OneNode.start(marks);
    // Near its time, and not yet gone.
    await site.clock.run(site.admin.create(leases, 'default', elsewhere));
    site.need.want();
    await site.clock.advance(6 * MINUTE_MS);
    const soft = ['example.com/reboot-wanted'];
    expect(marksOf(site.node()).soft).toEqual(soft);
    await waits();
    await site.clock.advance(2 * MINUTE_MS);
    expect(marksOf(site.node()).soft).toEqual([]);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe('wanted');
    site.configure(marks);
    site.paused = false;
    await site.annotate({ 'nodetender.dev/hold': null });
    await site.clock.advance(2 * MINUTE_MS);
    expect(marksOf(site.node()).soft).toEqual(soft);
  });

  it('is taken off also where the configuration names another taint by then, which takes its place', async () => {
    site = await OneNode.start(marks);
    await site.clock.run(site.admin.create(leases, 'default', elsewhere));
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node()).soft).toEqual(['example.com/reboot-wanted']);
    site.configure(marks.replace('example.com/reboot-wanted', 'example.com/another'));
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node()).soft).toEqual(['example.com/another']);
    site.configure('');
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node()).soft).toEqual([]);
  });

  it('is taken off after the reboot also where the configuration has none by then', async () => {
    site = await OneNode.start(`${marks}  hooks: { before: { annotations: [example.com/ready] } }\n`);
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node())).toMatchObject({ cordoned: true, soft: ['example.com/reboot-wanted'] });
    site.configure('');
    await site.clock.advance(10 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(marksOf(site.node())).toMatchObject({ cordoned: false, soft: [] });
  });

  it('is taken off when the reboot is undone', async () => {
    site = await OneNode.start(`${marks}  hooks: { before: { annotations: [example.com/ready] } }\n`);
    site.need.want();
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node())).toMatchObject({ cordoned: true, excluded: 'true' });
    site.need.clear();
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node())).toMatchObject({
      cordoned: false,
      soft: [],
      excluded: undefined,
      scaleDown: undefined,
    });
    expect(site.host.boots).toHaveLength(1);
  });

  it.each(['cordoned', 'verifying'])('says that it is done also where a person uncordons while %s', async (phase) => {
    const hook = phase === 'cordoned' ? 'before' : 'after';
    site = await OneNode.start(`${marks}  hooks: { ${hook}: { annotations: [example.com/ready] } }\n`);
    site.need.want();
    await site.clock.advance(5 * MINUTE_MS);
    expect(site.node().metadata.labels).toMatchObject({
      'nodetender.dev/state': phase,
      'example.com/maintenance': 'begun',
    });
    await site.patch({ spec: { unschedulable: null } });
    await site.clock.advance(MINUTE_MS);
    expect(marksOf(site.node())).toMatchObject({ cordoned: false, maintenance: 'done' });
  });
});

describe('workloads that vote on a reboot', () => {
  const hooks = `
  hooks:
    before: { annotations: [example.com/before], timeout: 30m }
    after: { annotations: [example.com/after] }
`;
  const yes = { 'example.com/before': 'true', 'example.com/after': 'true' };

  it('are asked anew: a yes that is left of the reboot before does not count, neither before nor after', async () => {
    site = await OneNode.start(hooks, { annotations: yes });
    site.need.want();
    await site.clock.advance(5 * MINUTE_MS);
    expect(site.node().metadata.annotations?.['example.com/before']).toBeUndefined();
    expect(site.host.boots).toHaveLength(1);
    expect(await site.metric('nodetender_reboot_blocked{gate="example.com/before"}')).toBe('1');
    await site.annotate({ 'example.com/before': 'true' });
    await site.clock.advance(5 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(site.node().metadata.annotations?.['example.com/after']).toBeUndefined();
    expect(site.node().spec?.unschedulable).toBe(true);
    expect(site.condition('RebootRequired')).toMatchObject({ status: 'True', reason: 'HooksPending' });
    await site.annotate({ 'example.com/after': 'true' });
    await site.clock.advance(MINUTE_MS);
    expect(site.node().spec?.unschedulable ?? false).toBe(false);
    expect(site.reasons().at(-1)).toBe('RebootDone');
  });

  it('end the try when they do not answer in time', async () => {
    site = await OneNode.start(hooks);
    site.need.want();
    await site.clock.advance(32 * MINUTE_MS);
    expect(site.reasons()).toContain('RebootHooksTimedOut');
    expect(site.node().spec?.unschedulable ?? false).toBe(false);
    expect(site.notes.map(({ event }) => event)).toEqual(['problem']);
  });
});
