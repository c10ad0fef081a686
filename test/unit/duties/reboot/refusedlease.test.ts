import { afterEach, describe, expect, it } from 'vitest';
import { leases } from '../../../../agent/cluster/objects.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;

describe('an API server that refuses the last write on the Lease, and nothing else', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  const state = (): string | undefined => site.node().metadata.labels?.['nodetender.dev/state'];

  it('has the node drained twice at most, then given back; the next try waits, and people are told', async () => {
    site = await OneNode.start();
    site.server.faults.add({
      matches: ({ resource, verb }) => resource === 'leases' && verb === 'patch' && state() === 'rebooting',
      refuse: { status: 403 },
    });
    site.need.want();
    await site.clock.advance(9 * MINUTE_MS);
    expect(state()).toBe('backing-off');
    expect(site.host.boots).toHaveLength(1);
    expect(site.node().spec?.unschedulable).toBeUndefined();
    const held = await site.clock.run(
      site.admin.list(leases, { namespace: 'default' }, ({ spec }) => spec?.holderIdentity ?? '', {}),
    );
    expect(held.items).toEqual(['']);
    expect(site.reasons().filter((reason) => reason === 'RebootNotBegun')).toHaveLength(1);
    // Of what is forbidden nobody is told as if it were on its way.
    expect(site.reasons()).not.toContain('Rebooting');
    expect(site.notes.map(({ event }) => event)).not.toContain('reboot');
    expect(site.reasons().at(-1)).toBe('RebootSlotUnconfirmed');
    expect(site.notes.at(-1)).toMatchObject({
      event: 'problem',
      reason: expect.stringMatching(/last write on the Lease .* failed 2 times: .*patch/),
    });
    expect(await site.metric('nodetender_reboot_consecutive_failures')).toBe('1');
    expect(site.requests.length).toBeLessThan(100);

    site.server.faults.clear();
    await site.clock.advance(20 * MINUTE_MS);
    expect(site.host.boots).toHaveLength(2);
    expect(site.reasons().filter((reason) => reason === 'Rebooting')).toHaveLength(1);
  });
});
