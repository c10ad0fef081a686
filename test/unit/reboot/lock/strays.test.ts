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

  const intoWeb = async (name: string): Promise<void> => {
    const body = { metadata: { labels: { pool: 'web' } } };
    await cluster.admin.patch(nodes, { name }, { type: 'merge', body });
  };

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
    await intoWeb('a');
    await cluster.clock.advance(minuteMs);
    expect(await b.acquire(signal)).toMatchObject({ kind: 'refused', code: 'pool-full' });
  });

  it('is judged by the labels of that moment, whatever they were at the try before', async () => {
    cluster = new LockCluster();
    cluster.pools = poolsOf([web]);
    const [a, b] = [await cluster.lock('a'), await cluster.lock('b', { labels: { pool: 'web' } })];
    await a.acquire(signal);
    await cluster.clock.advance(minuteMs);
    await b.acquire(signal);
    await b.release(webSlot, signal);
    await cluster.clock.advance(minuteMs);
    await intoWeb('a');
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

  it('costs no write while somebody of another slot stays away, and is entered when he is back', async () => {
    cluster = new LockCluster();
    const [a, b] = [await cluster.lock('a', { recorded: defaultSlot }), await cluster.lock('b')];
    await a.acquire(signal);
    cluster.pools = poolsOf([everyNode]);
    await cluster.clock.advance(minuteMs);
    const writes = cluster.writes();
    const outcomes = new Set<string>();
    for (let minute = 0; minute < 60; minute += 1) {
      const facts = b.facts();
      if (facts?.kind === 'none' && facts.turn) outcomes.add((await b.acquire(signal)).kind);
      await cluster.clock.advance(minuteMs);
    }
    expect([...outcomes]).toEqual(['refused']);
    expect(cluster.writes()).toBe(writes);
    await a.release(defaultSlot, signal);
    await cluster.clock.advance(minuteMs);
    expect(await b.acquire(signal)).toEqual({ kind: 'acquired', slot: webSlot });
  });
});

describe('a slot that was taken where the Leases cannot be listed', () => {
  it('goes back: nobody can say whether it may be kept, and others wait for it', async () => {
    const cluster = new LockCluster();
    const b = await cluster.lock('b');
    cluster.server.faults.add({
      matches: ({ resource, verb }) => resource === 'leases' && verb === 'list',
      refuse: { status: 403 },
    });
    await expect(b.acquire(AbortSignal.timeout(60_000))).rejects.toMatchObject({ code: 'cluster/forbidden' });
    expect(cluster.holder(defaultSlot)).toBe('');
    expect(b.facts()).toMatchObject({ kind: 'none', turn: false });
    cluster.stop.abort();
  });
});
