import { afterEach, describe, expect, it } from 'vitest';
import { nodes } from '../../../../agent/cluster/objects.ts';
import { OneNode } from './onenode.ts';

const MINUTE_MS = 60_000;

describe('a Node that is deleted while it is being written', () => {
  let site: OneNode;
  afterEach(() => site.stop());

  it('is asked for less and less often, and gone on with when it is registered again', async () => {
    site = await OneNode.start();
    const { clock, admin, server } = site;
    server.faults.add({
      matches: ({ resource, verb, user }) => resource === 'nodes' && verb === 'patch' && user === 'agent',
      times: 1,
      onRequest: () => {
        const stored = server.store.get(server.resource('nodes'), '', 'node-1');
        if (stored !== undefined) server.store.delete(server.resource('nodes'), stored);
      },
    });
    site.need.want();
    await clock.advance(4 * MINUTE_MS);
    const asked = site.requests.filter((line) => line.startsWith('GET /api/v1/nodes/node-1'));
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.length).toBeLessThan(30);
    await clock.run(admin.create(nodes, undefined, { metadata: { name: 'node-1' } }));
    await clock.advance(10_000);
    expect(site.node().metadata.labels?.['nodetender.dev/state']).toBe('wanted');
  });
});
