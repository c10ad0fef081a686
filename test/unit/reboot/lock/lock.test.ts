import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { poolsOf } from '../../../../agent/reboot/lock/pools.ts';
import { LockCluster } from './lockcluster.ts';

const slot = 'nodetender-default-0';
const controlPlane = { 'node-role.kubernetes.io/control-plane': '' };
const MINUTE = 60_000;

let cluster: LockCluster;
let signal: AbortSignal;

beforeEach(() => {
  cluster = new LockCluster();
  ({ signal } = cluster.stop);
});
afterEach(() => cluster.stop.abort());

const workers = (count: number) => poolsOf([{ name: 'workers', selectors: [], concurrency: { count } }]);

describe('taking a slot', () => {
  it('makes its Lease, and says that it is held and checked', async () => {
    const lock = await cluster.lock('a');
    expect(lock.facts()).toMatchObject({ kind: 'none', turn: true });
    expect(await lock.acquire(signal)).toEqual({ kind: 'acquired', slot });
    await cluster.clock.advance(5_000);
    expect(lock.facts()).toEqual({ kind: 'held', slot, heldForMs: 5_000, checked: true, surplus: [] });
  });

  it('can begin at once in a cluster without any Lease, and says so', async () => {
    const lock = await cluster.lock('a');
    expect(cluster.changes).toBeGreaterThan(0);
    expect(lock.facts()).toMatchObject({ kind: 'none', turn: true });
  });

  it('says who is in the way', async () => {
    const [a, b] = [await cluster.lock('a'), await cluster.lock('b')];
    await a.acquire(signal);
    await cluster.clock.advance(0);
    const waitingFor = `the cluster lets 1 at a time: a holds ${slot} since 2026-01-01T00:00Z`;
    expect(b.facts()).toEqual({ kind: 'none', turn: false, waitingFor: expect.stringContaining(`a holds ${slot}`) });
    expect(await b.acquire(signal)).toMatchObject({
      code: 'pool-full',
      text: expect.stringContaining(`a holds ${slot}`),
    });
    const master = await cluster.lock('m', { labels: controlPlane });
    expect(master.facts()).toMatchObject({ turn: false, waitingFor });
  });

  it('knows its own write again whose answer was lost', async () => {
    const lock = await cluster.lock('a');
    cluster.server.faults.add({ matches: ({ verb }) => verb === 'create', times: 1, cut: 'after' });
    expect(await cluster.clock.run(lock.acquire(signal))).toMatchObject({ kind: 'acquired' });
    expect(cluster.writes()).toBe(1);
  });

  it('writes once more where the write was lost too', async () => {
    const lock = await cluster.lock('a');
    cluster.server.faults.add({ matches: ({ verb }) => verb === 'create', times: 1, cut: 'before' });
    expect(await cluster.clock.run(lock.acquire(signal))).toMatchObject({ kind: 'acquired' });
    expect(cluster.writes()).toBe(2);
  });

  it('has it in hand, unchecked, when the API server goes away between the write and the list', async () => {
    const lock = await cluster.lock('a');
    cluster.server.faults.add({ matches: ({ verb }) => verb !== 'create', refuse: { status: 503 } });
    await expect(cluster.clock.run(lock.acquire(signal))).rejects.toMatchObject({ code: 'cluster/unavailable' });
    expect(lock.facts()).toMatchObject({ kind: 'held', checked: false });
    cluster.server.faults.clear();
    expect(await lock.acquire(signal)).toMatchObject({ kind: 'acquired' });
    expect(lock.facts()).toMatchObject({ checked: true });
  });

  it('has it in hand, unchecked, when giving it back got no answer: that may still come about', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    cluster.server.faults.add({ matches: ({ verb }) => verb === 'patch' || verb === 'get', refuse: { status: 503 } });
    await expect(cluster.clock.run(lock.release(slot, signal))).rejects.toMatchObject({ code: 'cluster/unavailable' });
    expect(lock.facts()).toMatchObject({ kind: 'held', checked: false });
    cluster.server.faults.clear();
    const writes = cluster.writes();
    expect(await lock.acquire(signal)).toMatchObject({ kind: 'acquired' });
    expect([lock.facts(), cluster.writes() - writes]).toMatchObject([{ checked: true }, 1]);
  });

  it('loses to whoever was faster, with one write', async () => {
    const [a, b] = [await cluster.lock('a'), await cluster.lock('b')];
    const attempts = await cluster.clock.run(Promise.all([a.acquire(signal), b.acquire(signal)]));
    expect(attempts.map(({ kind }) => kind).sort()).toEqual(['acquired', 'refused']);
    expect(cluster.writes()).toBe(2);
  });

  it('takes a Lease that has lost its label, and puts it back', async () => {
    await cluster.createLease(slot, { spec: { holderIdentity: '' } });
    const lock = await cluster.lock('a');
    expect(await lock.acquire(signal)).toMatchObject({ kind: 'acquired' });
    expect(cluster.lease(slot)?.metadata.labels).toEqual({ 'nodetender.dev/pool': 'default' });
  });

  it('counts held Leases that have lost their labels, also those of other pools', async () => {
    const master = await cluster.lock('m', { labels: controlPlane });
    await cluster.createLease(slot, { spec: { holderIdentity: 'b' } });
    expect(await master.acquire(signal)).toMatchObject({
      code: 'cap-reached',
      text: expect.stringContaining('b holds'),
    });
    expect(cluster.holder('nodetender-control-plane-0')).toBe('');
  });

  it('counts no Leases that are none of ours', async () => {
    for (const name of ['kube-scheduler', 'nodetender', 'nodetender-leader']) {
      await cluster.createLease(name, { spec: { holderIdentity: 'b' } });
    }
    const lock = await cluster.lock('a');
    expect(await lock.acquire(signal)).toMatchObject({ kind: 'acquired' });
  });

  it('gives it back where more are held than may be, and tries again after a while', async () => {
    cluster.pools = workers(1);
    const lock = await cluster.lock('a');
    // Taken while there were more slots, or by an agent that still thinks so; the watch has not told it yet.
    cluster.server.disturbWatches('silence', 'leases');
    const labels = { 'nodetender.dev/pool': 'workers' };
    await cluster.createLease('nodetender-workers-5', { metadata: { labels }, spec: { holderIdentity: 'b' } });
    expect(await lock.acquire(signal)).toMatchObject({ kind: 'refused', code: 'pool-full' });
    expect(cluster.holder('nodetender-workers-0')).toBe('');
    expect(lock.facts()).toMatchObject({ kind: 'none', turn: false });
    await cluster.deleteLease('nodetender-workers-5');
    await cluster.clock.advance(MINUTE);
    expect(await lock.acquire(signal)).toMatchObject({ kind: 'acquired' });
  });

  it('does not take at once again what the garbage collector takes away each time, as that of a Node registered anew', async () => {
    const lock = await cluster.lock('a');
    cluster.server.faults.add({
      matches: ({ verb, resource }) => verb === 'list' && resource === 'leases',
      times: 1,
      onRequest: () => void cluster.deleteLease(slot),
    });
    expect(await cluster.clock.run(lock.acquire(signal))).toMatchObject({ kind: 'refused', code: 'taken-away' });
    expect(lock.facts()).toMatchObject({ kind: 'none', turn: false });
    await cluster.clock.advance(MINUTE);
    expect(lock.facts()).toMatchObject({ kind: 'none', turn: true });
  });

  it('counts slots of percentages by the nodes of the pool', async () => {
    cluster.pools = poolsOf([{ name: 'workers', selectors: [], concurrency: { percent: 50 } }]);
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => cluster.node(name)));
    const attempts = [];
    for (const name of names.slice(0, 3)) {
      const lock = await cluster.lock(name);
      attempts.push((await lock.acquire(signal)).kind);
      await cluster.clock.advance(0);
    }
    expect(attempts).toEqual(['acquired', 'acquired', 'refused']);
  });

  it('takes none while the pool is paused', async () => {
    cluster.pools = workers(0);
    const lock = await cluster.lock('a');
    await cluster.clock.advance(10 * MINUTE);
    expect(lock.facts()).toMatchObject({ turn: false, waitingFor: 'pool workers is paused: its concurrency is 0' });
    expect(await lock.acquire(signal)).toMatchObject({ code: 'paused' });
  });

  it('draws a moment when it begins to wait at a slot that has long been free', async () => {
    cluster.draw = 0.5;
    const lock = await cluster.lock('a');
    await cluster.clock.advance(10 * MINUTE);
    expect(lock.facts()).toMatchObject({ turn: true });
    lock.queue();
    expect(lock.facts()).toMatchObject({ turn: false });
    await cluster.clock.advance(5_000);
    expect(lock.facts()).toMatchObject({ turn: true });
  });
});

describe('a slot in hand', () => {
  it('is found again by the next life', async () => {
    await (await cluster.lock('a')).acquire(signal);
    const next = await cluster.lock('a');
    expect(next.facts()).toMatchObject({ kind: 'held', slot, checked: false });
  });

  it('is confirmed and given back by a life that has not read the Leases yet', async () => {
    await (await cluster.lock('a')).acquire(signal);
    const next = await cluster.lock('a', { runs: false });
    expect(next.facts()).toBeUndefined();
    await next.confirm(slot, signal);
    await next.release(slot, signal);
    expect(cluster.holder(slot)).toBe('');
  });

  it('is that of the Node alone that took it, not of another under its name', async () => {
    await (await cluster.lock('a')).acquire(signal);
    const other = await cluster.lock('a', { uid: 'another' });
    expect(other.facts()).toMatchObject({ kind: 'none', turn: false });
    await expect(other.confirm(slot, signal)).rejects.toMatchObject({ code: 'lock/lost' });
    await other.release(slot, signal);
    expect(cluster.holder(slot)).toBe('a');
  });

  it('is the recorded one of several, and the others are surplus', async () => {
    cluster.pools = workers(2);
    const uid = await cluster.node('a');
    for (const index of [0, 1]) {
      await cluster.createLease(`nodetender-workers-${index}`, {
        metadata: {
          labels: { 'nodetender.dev/pool': 'workers' },
          ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'a', uid }],
        },
        spec: { holderIdentity: 'a' },
      });
    }
    const lock = await cluster.lock('a', { recorded: 'nodetender-workers-1' });
    expect(lock.facts()).toMatchObject({ slot: 'nodetender-workers-1', surplus: ['nodetender-workers-0'] });
    await lock.release('nodetender-workers-0', signal);
    expect(lock.facts()).toMatchObject({ slot: 'nodetender-workers-1', surplus: [] });
  });

  it('stays ours without its label, which is put back', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    await cluster.patchLease(slot, { metadata: { labels: null } });
    for (let turns = 0; turns < 5; turns += 1) {
      expect(lock.facts()).toMatchObject({ kind: 'held', slot });
      await cluster.clock.advance(0);
    }
    expect(cluster.lease(slot)?.metadata.labels).toEqual({ 'nodetender.dev/pool': 'default' });
    // The first try goes by the version from before the label was taken away.
    expect(cluster.writes()).toBe(3);
  });

  it('is found again without its label by the next life, and has it again', async () => {
    await (await cluster.lock('a')).acquire(signal);
    cluster.stop.abort();
    cluster.stop = new AbortController();
    await cluster.patchLease(slot, { metadata: { labels: null } });
    const next = await cluster.lock('a', { recorded: slot });
    await cluster.clock.advance(0);
    expect(next.facts()).toMatchObject({ kind: 'held', slot });
    expect(cluster.lease(slot)?.metadata.labels).toEqual({ 'nodetender.dev/pool': 'default' });
  });

  it('is lost when somebody deletes its Lease, and the reboot is off', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    await cluster.deleteLease(slot);
    await cluster.clock.advance(0);
    expect(lock.facts()).toMatchObject({ kind: 'none' });
    await expect(lock.confirm(slot, signal)).rejects.toMatchObject({
      code: 'lock/lost',
      message: expect.stringContaining('there is no such Lease'),
    });
  });

  it('is lost when somebody has freed it and another has taken it, also before a watch has told so', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    await cluster.clock.advance(5_000);
    cluster.server.disturbWatches('silence', 'leases');
    await cluster.patchLease(slot, { spec: { holderIdentity: 'b' } });
    expect(lock.facts()).toMatchObject({ kind: 'held' });
    await expect(lock.confirm(slot, signal)).rejects.toMatchObject({
      code: 'lock/lost',
      message: expect.stringContaining(`b holds ${slot}`),
    });
    expect(lock.facts()).toMatchObject({ kind: 'none' });
  });

  it('outlives a change of what is none of its business', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    cluster.server.disturbWatches('silence', 'leases');
    await cluster.patchLease(slot, { metadata: { labels: { team: 'x' } } });
    await expect(cluster.clock.run(lock.confirm(slot, signal))).resolves.toBeUndefined();
  });

  it('keeps its pool where the pool has another name by now', async () => {
    cluster.pools = workers(1);
    const [a, b] = [await cluster.lock('a'), await cluster.lock('b')];
    await a.acquire(signal);
    cluster.pools = poolsOf([{ name: 'machines', selectors: [], concurrency: { count: 1 } }]);
    await cluster.clock.advance(MINUTE);
    expect(await b.acquire(signal)).toMatchObject({ code: 'pool-full', text: expect.stringContaining('workers-0') });
    await a.confirm('nodetender-workers-0', signal);
    await a.release('nodetender-workers-0', signal);
    await cluster.clock.advance(MINUTE);
    expect(await b.acquire(signal)).toMatchObject({ kind: 'acquired', slot: 'nodetender-machines-0' });
  });

  it('never goes by the passing of time, unless that was asked for', async () => {
    await (await cluster.lock('a')).acquire(signal);
    const [patient, hasty] = [await cluster.lock('b'), await cluster.lock('c', { staleAfterMs: 60 * MINUTE })];
    await cluster.clock.advance(59 * MINUTE);
    expect(hasty.facts()).toMatchObject({ turn: false });
    await cluster.clock.advance(2 * MINUTE);
    expect(patient.facts()).toMatchObject({ turn: false });
    expect(await hasty.acquire(signal)).toMatchObject({ kind: 'acquired' });
    expect(cluster.holder(slot)).toBe('c');
  });
});

describe('the point of no return', () => {
  const isPatch = ({ verb }: { readonly verb: string }): boolean => verb === 'patch';

  it('is passed with a write that has happened, also where its answer was lost', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    await cluster.clock.advance(MINUTE);
    cluster.server.faults.add({ matches: isPatch, times: 1, cut: 'after' });
    const before = cluster.writes();
    await cluster.clock.run(lock.confirm(slot, signal));
    expect(cluster.writes() - before).toBe(1);
  });

  it('is not passed without the API server', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    cluster.server.faults.add({ hang: true });
    await expect(cluster.clock.run(lock.confirm(slot, signal))).rejects.toMatchObject({ code: 'cluster/timeout' });
  });

  it('is not passed by reading alone', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    cluster.server.faults.add({ matches: isPatch, refuse: { status: 500 } });
    await expect(cluster.clock.run(lock.confirm(slot, signal))).rejects.toMatchObject({ code: 'cluster/failed' });
  });
});

describe('giving a slot back', () => {
  it('names the oldest needs, and the first of them has its turn at once', async () => {
    const [a, b, c] = [await cluster.lock('a'), await cluster.lock('b'), await cluster.lock('c')];
    await a.acquire(signal);
    await cluster.waits('b', 2);
    await cluster.waits('c', 1);
    await a.release(slot, signal);
    await cluster.clock.advance(0);
    expect(cluster.lease(slot)?.metadata.annotations?.['nodetender.dev/next']).toBe('{"nodes":["c","b"],"waiting":2}');
    expect([b.facts(), c.facts()]).toMatchObject([{ turn: false }, { turn: true }]);
    expect(await b.acquire(signal)).toMatchObject({ code: 'not-our-turn' });
    expect(await c.acquire(signal)).toMatchObject({ kind: 'acquired' });
    expect(cluster.lease(slot)?.metadata.annotations ?? {}).toEqual({});
  });

  it('goes to the second a moment later where the first is not there, and then to anybody', async () => {
    const [a, b, c] = [await cluster.lock('a'), await cluster.lock('b'), await cluster.lock('c')];
    await a.acquire(signal);
    await cluster.node('dead');
    await cluster.waits('dead', 1);
    await cluster.waits('b', 2);
    await a.release(slot, signal);
    await cluster.clock.advance(1_000);
    expect([b.facts(), c.facts()]).toMatchObject([{ turn: true }, { turn: false }]);
    await cluster.clock.advance(5_000);
    expect(c.facts()).toMatchObject({ turn: true });
  });

  it('hands on to another pool where the cluster has room for one alone', async () => {
    const worker = await cluster.lock('worker');
    const master = await cluster.lock('master', { labels: controlPlane });
    await worker.acquire(signal);
    await cluster.waits('master', 1);
    await worker.release(slot, signal);
    await cluster.clock.advance(0);
    expect(await master.acquire(signal)).toEqual({ kind: 'acquired', slot: 'nodetender-control-plane-0' });
  });

  it('happens without a hint where the waiting nodes cannot be listed', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    cluster.server.faults.add({ matches: ({ resource }) => resource === 'nodes', refuse: { status: 403 } });
    await lock.release(slot, signal);
    expect(cluster.lease(slot)?.metadata.annotations ?? {}).toEqual({});
    expect(lock.facts()).toMatchObject({ kind: 'none' });
  });

  it('knows its own write again whose answer was lost', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    cluster.server.faults.add({ matches: ({ verb }) => verb === 'patch', times: 1, cut: 'after' });
    await cluster.clock.run(lock.release(slot, signal));
    expect(cluster.holder(slot)).toBe('');
    expect(lock.facts()).toMatchObject({ kind: 'none' });
  });

  it('does nothing where it is not ours', async () => {
    const [a, b] = [await cluster.lock('a'), await cluster.lock('b')];
    await a.acquire(signal);
    await cluster.clock.advance(0);
    await b.release(slot, signal);
    await b.release('nodetender-default-9', signal);
    expect(cluster.holder(slot)).toBe('a');
  });

  it('comes too late once the slot was acquired again', async () => {
    const lock = await cluster.lock('a');
    await lock.acquire(signal);
    const before = cluster.lease(slot)?.metadata.resourceVersion;
    // A give-back of this version may still be on its way; the next life knows nothing of it.
    const next = await cluster.lock('a');
    await next.acquire(signal);
    const late = cluster.patchLease(slot, { metadata: { resourceVersion: before }, spec: { holderIdentity: '' } });
    await expect(late).rejects.toMatchObject({ code: 'cluster/conflict' });
    expect(cluster.holder(slot)).toBe('a');
  });
});
