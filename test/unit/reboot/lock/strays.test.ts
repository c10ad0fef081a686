import { afterEach, describe, expect, it } from 'vitest';

import { nodes } from '../../../../agent/cluster/objects.ts';
import { parseLabelSelector } from '../../../../agent/node/selectors.ts';
import { poolsOf } from '../../../../agent/reboot/lock/pools.ts';
import { LockCluster } from './lockcluster.ts';

const defaultSlot = 'nodetender-default-0';
const webSlot = 'nodetender-web-0';
const web = { name: 'web', selectors: [parseLabelSelector('pool=web')], concurrency: { count: 1 } };
const everyNode = { ...web, selectors: [] };
/** As long as nobody else comes between. */
const minuteMs = 60_000;

describe('a pool that changes while a node is away', () => {
  let cluster: LockCluster;
  const signal = AbortSignal.timeout(60_000);
  afterEach(() => cluster.stop.abort());

  it('is not entered by another when it is configured: the node that is away is one of its own', async () => {
    cluster = new LockCluster();
    const [a, b] = [await cluster.lock('a', { recorded: defaultSlot }), await cluster.lock('b')];
    await a.acquire(signal);
    cluster.pools = poolsOf([everyNode]);
    await cluster.clock.advance(minuteMs);
    expect(await b.acquire(signal)).toMatchObject({
      kind: 'refused',
      code: 'pool-full',
      text: expect.stringContaining(`a holds ${defaultSlot}`),
    });
    expect(cluster.holder(webSlot)).toBe('');
    await a.confirm(defaultSlot, signal);
  });

  it('is not entered when the node that is away has been given its label', async () => {
    cluster = new LockCluster();
    cluster.pools = poolsOf([web]);
    const a = await cluster.lock('a');
    const b = await cluster.lock('b', { labels: { pool: 'web' } });
    await a.acquire(signal);
    await cluster.admin.patch(nodes, { name: 'a' }, { type: 'merge', body: { metadata: { labels: { pool: 'web' } } } });
    await cluster.clock.advance(minuteMs);
    expect(await b.acquire(signal)).toMatchObject({ kind: 'refused', code: 'pool-full' });
  });

  it('is entered beside a node of another pool', async () => {
    cluster = new LockCluster();
    cluster.pools = poolsOf([web]);
    const [a, b] = [await cluster.lock('a'), await cluster.lock('b', { labels: { pool: 'web' } })];
    await a.acquire(signal);
    await cluster.clock.advance(minuteMs);
    expect(await b.acquire(signal)).toEqual({ kind: 'acquired', slot: webSlot });
  });

  it('is not tried for again and again: what was found is remembered until that slot changes hands', async () => {
    cluster = new LockCluster();
    const [a, b] = [await cluster.lock('a', { recorded: defaultSlot }), await cluster.lock('b')];
    await a.acquire(signal);
    cluster.pools = poolsOf([everyNode]);
    await cluster.clock.advance(minuteMs);
    await b.acquire(signal);
    const writes = cluster.writes();
    for (let round = 0; round < 5; round += 1) {
      await cluster.clock.advance(minuteMs);
      expect(await b.acquire(signal)).toMatchObject({ kind: 'refused', code: 'pool-full' });
    }
    expect(cluster.writes()).toBe(writes);
    await a.release(defaultSlot, signal);
    await cluster.clock.advance(minuteMs);
    expect(await b.acquire(signal)).toEqual({ kind: 'acquired', slot: webSlot });
  });
});
