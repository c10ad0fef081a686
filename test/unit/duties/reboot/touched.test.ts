import { afterEach, describe, expect, it } from 'vitest';

import { leases } from '../../../../agent/cluster/objects.ts';
import { decodeState } from '../../../../agent/reboot/record.ts';
import type { State } from '../../../../agent/reboot/state.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;
const apt = { what: 'shutdown', who: 'APT', why: 'APT is installing', mode: 'block', uid: 0, pid: 4711 } as const;
const dnf = { ...apt, who: 'dnf', why: 'dnf is installing', pid: 4712 } as const;
const elsewhere = {
  metadata: { name: 'nodetender-default-0', labels: { 'nodetender.dev/pool': 'default' } },
  spec: { holderIdentity: 'elsewhere' },
};

/** By a script that writes it every few seconds, on a node that takes a sentinel at once. */
describe('a sentinel that is touched all the time', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  async function touchFor(minutes: number): Promise<void> {
    for (let seconds = 0; seconds < minutes * 60; seconds += 5) {
      site.need.want(['linux-image-generic']);
      await site.clock.advance(5_000);
    }
  }

  function writes(): number {
    return site.requests.filter((request) => request.startsWith('PATCH') && !request.includes('/status')).length;
  }

  function recorded(): State {
    const found = decodeState(site.node().metadata.annotations?.['nodetender.dev/reboot-status'] ?? '');
    if (!found.ok) throw new Error('there is no record');
    return found.value;
  }

  it.each([
    { what: 'behind a gate', obstacle: async () => void site.host.inhibit(apt) },
    { what: 'behind another node', obstacle: async () => void (await site.admin.create(leases, 'default', elsewhere)) },
  ])('is written to the Node once a minute at most $what, and in the end as it is', async ({ obstacle }) => {
    site = await OneNode.start();
    await site.clock.run(obstacle());
    await touchFor(10);
    const before = writes();
    await touchFor(30);
    expect(writes() - before).toBeLessThanOrEqual(30);
    const { need } = site;
    await site.clock.advance(2 * MINUTE_MS);
    const last = need.current();
    expect(last).toMatchObject({ writtenAtMs: recorded().need?.writtenAtMs });
  });

  it('does not keep in the record what is no longer in the way', async () => {
    site = await OneNode.start();
    const end = site.host.inhibit(apt);
    await touchFor(5);
    expect(recorded().reason.text).toContain('APT');
    end();
    site.host.inhibit(dnf);
    await touchFor(12);
    expect(recorded().reason.text).toContain('dnf');
  });
});
