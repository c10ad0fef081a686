import { afterEach, describe, expect, it } from 'vitest';

import { leases, nodes } from '../../../../agent/cluster/objects.ts';
import { OneNode } from './onenode.ts';

const HOUR_MS = 3_600_000;
const apt = { what: 'shutdown', who: 'APT', why: 'APT is installing', mode: 'block', uid: 0, pid: 4711 } as const;
/** Nodes of its pool that are not Ready. */
async function sicken({ admin }: OneNode): Promise<void> {
  for (const name of ['sick-1', 'sick-2']) await admin.create(nodes, undefined, { metadata: { name } });
}
const elsewhere = {
  metadata: { name: 'nodetender-default-0', labels: { 'nodetender.dev/pool': 'default' } },
  spec: { holderIdentity: 'elsewhere' },
};

/** Of the 12 that an idle agent may ask for in an hour, those that are left beside its other watches and its status. */
const REQUESTS_AN_HOUR = 5;

describe('a node that wants a reboot and has to wait', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  it.each([
    {
      what: 'for the slot of another node',
      state: 'waiting',
      obstacle: async (one: OneNode) => void (await one.admin.create(leases, 'default', elsewhere)),
    },
    { what: 'for the health of its pool', state: 'wanted', obstacle: sicken },
    { what: 'for a package manager', state: 'wanted', obstacle: async (one: OneNode) => void one.host.inhibit(apt) },
    { what: 'while all are paused', state: 'wanted', obstacle: async (one: OneNode) => void (one.paused = 'freeze') },
    { what: 'on hold', state: 'wanted', obstacle: (one: OneNode) => one.annotate({ 'nodetender.dev/hold': 'mine' }) },
  ])('asks the API server for next to nothing $what', async ({ state, obstacle }) => {
    site = await OneNode.start();
    await site.clock.run(obstacle(site));
    site.need.want(['linux-image-generic']);
    await site.clock.advance(HOUR_MS / 2);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe(state);
    const before = site.requests.length;
    const hours = 6;
    await site.clock.advance(hours * HOUR_MS);
    expect((site.requests.length - before) / hours).toBeLessThanOrEqual(REQUESTS_AN_HOUR);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe(state);
  });

  it('hears within minutes that its Node was registered anew, also while its watch hangs', async () => {
    site = await OneNode.start();
    const { clock, admin, server } = site;
    await clock.run(admin.create(leases, 'default', elsewhere));
    site.need.want(['linux-image-generic']);
    await clock.advance(60_000);
    const { uid } = site;
    // One that has had no bookmark yet.
    server.disturbWatches('cut', 'nodes');
    await clock.advance(5_000);
    server.disturbWatches('silence', 'nodes');
    await clock.run(admin.delete(nodes, { name: 'node-1' }));
    await clock.run(admin.create(nodes, undefined, { metadata: { name: 'node-1' } }));
    expect(site.uid).not.toBe(uid);
    await clock.advance(12 * 60_000);
    expect(site.condition('RebootRequired')).toMatchObject({ status: 'True' });
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe('waiting');
  });

  it('takes a slot within minutes after it was given back, also while its watch of the Leases hangs', async () => {
    site = await OneNode.start();
    const { clock, admin, server } = site;
    await clock.run(admin.create(leases, 'default', elsewhere));
    site.need.want(['linux-image-generic']);
    await clock.advance(60_000);
    // One that has had no bookmark yet.
    server.disturbWatches('cut', 'leases');
    await clock.advance(5_000);
    server.disturbWatches('silence', 'leases');
    const { name } = elsewhere.metadata;
    const freed = { type: 'merge', body: { spec: { holderIdentity: null } } } as const;
    await clock.run(admin.patch(leases, { namespace: 'default', name }, freed));
    await clock.advance(13 * 60_000);
    expect(site.reasons()).toContain('RebootSlotTaken');
  });

  it('asks for little more behind an API server that sends no bookmarks', async () => {
    site = await OneNode.start();
    const { clock, admin, server } = site;
    await clock.run(admin.create(leases, 'default', elsewhere));
    site.need.want(['linux-image-generic']);
    // Whatever is silent from now on has nothing to tell.
    const isLeases = (request: string): boolean => request.startsWith('GET') && request.includes('/leases');
    await clock.advance(60_000);
    const asked = async (hours: number): Promise<number> => {
      const before = site.requests.filter(isLeases).length;
      for (let seconds = 0; seconds < hours * 3_600; seconds += 30) {
        await clock.advance(1_000);
        server.disturbWatches('silence', 'leases');
        await clock.advance(29_000);
      }
      return site.requests.filter(isLeases).length - before;
    };
    expect(await asked(1)).toBeLessThanOrEqual(REQUESTS_AN_HOUR);
    expect((await asked(5)) / 5).toBeLessThanOrEqual(2);
  });
});
