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
});
