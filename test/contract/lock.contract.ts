import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { systemClock } from '../../agent/clock.ts';
import { stateLabel } from '../../agent/cluster/names.ts';
import { leases, nodes } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { RebootLock, type RebootLockOptions } from '../../agent/reboot/lock/lock.ts';
import { poolsOf } from '../../agent/reboot/lock/pools.ts';
import { createLogger } from '../../agent/observe/log.ts';
import { eventually } from '../harness/eventually.ts';

/** An API server with a garbage collector. */
export interface LockUnderTest {
  readonly port: KubernetesPort;
  dispose(): Promise<void>;
}

const namespace = 'default';
const slot = 'nodetender-default-0';
const queuedAt = 'test/queued-at';
/** The garbage collector of a busy machine. */
const DEADLINE_MS = 60_000;

/** What the lock depends on, whatever API server stands behind the port. */
export function describeLockContract(name: string, start: () => Promise<LockUnderTest>): void {
  describe(`the lock on ${name}`, () => {
    let server: LockUnderTest;
    let port: KubernetesPort;
    let stop = new AbortController();
    let counter = 0;

    beforeAll(async () => {
      server = await start();
      ({ port } = server);
    });
    afterEach(async () => {
      stop.abort();
      stop = new AbortController();
      await port.delete(leases, { namespace, name: slot }).catch(() => undefined);
    });
    afterAll(async () => {
      port.close();
      await server.dispose();
    });

    async function lockOf(node: string, over: Partial<RebootLockOptions> = {}): Promise<RebootLock> {
      const { metadata } = await port.create(nodes, undefined, { metadata: { name: node } });
      const lock = new RebootLock({
        port,
        namespace,
        node: { name: node, uid: metadata.uid },
        labels: () => new Map(),
        settings: () => ({ pools: poolsOf([]), staleAfterMs: undefined }),
        recordedSlot: () => undefined,
        queuedSince: ({ annotations }) => Number(annotations?.[queuedAt]),
        onChange: () => undefined,
        log: createLogger({ level: 'error' }),
        clock: systemClock,
        // Nobody draws a moment before the others: only who is named comes first.
        random: () => 0,
        ...over,
      });
      void lock.run(stop.signal);
      await eventually('the Leases are read', () => lock.facts() !== undefined);
      return lock;
    }

    const unique = (): string => `lock-node-${(counter += 1)}`;

    async function waits(node: string, queuedAtMs: number): Promise<void> {
      const body = { metadata: { labels: { [stateLabel]: 'waiting' }, annotations: { [queuedAt]: `${queuedAtMs}` } } };
      await port.patch(nodes, { name: node }, { type: 'merge', body });
    }

    const hasTurn = (lock: RebootLock) => (): boolean => {
      const facts = lock.facts();
      return facts?.kind === 'none' && facts.turn;
    };

    it('takes a slot, which others see, confirms it and gives it back', async () => {
      const [one, other] = [await lockOf(unique()), await lockOf(unique())];
      expect(await one.acquire(stop.signal)).toEqual({ kind: 'acquired', slot });
      await eventually('the other sees who holds it', () => {
        const facts = other.facts();
        return facts?.kind === 'none' && /lock-node-\d+ holds nodetender-default-0/.test(facts.waitingFor);
      });
      expect(await other.acquire(stop.signal)).toMatchObject({ kind: 'refused', code: 'pool-full' });
      await one.confirm(slot, stop.signal);
      await expect(other.confirm(slot, stop.signal)).rejects.toMatchObject({ code: 'lock/lost' });
      await one.release(slot, stop.signal);
      expect(one.facts()).toMatchObject({ kind: 'none' });
      const { metadata, spec } = await port.get(leases, { namespace, name: slot });
      expect(spec?.holderIdentity ?? '').toBe('');
      expect(metadata.ownerReferences ?? []).toEqual([]);
    });

    it('lets exactly one of many take it who try at once', async () => {
      const locks = await Promise.all(Array.from({ length: 8 }, () => lockOf(unique())));
      const attempts = await Promise.all(locks.map((lock) => lock.acquire(stop.signal)));
      expect(attempts.filter(({ kind }) => kind === 'acquired')).toHaveLength(1);
    });

    it('hands on to the oldest need, while the others wait', async () => {
      const [first, second, third] = [unique(), unique(), unique()];
      const holder = await lockOf(unique());
      await holder.acquire(stop.signal);
      const late = { random: () => 1 };
      const locks = new Map<string, RebootLock>();
      for (const node of [first, second, third]) locks.set(node, await lockOf(node, late));
      await waits(first, 3_000);
      await waits(second, 1_000);
      await waits(third, 2_000);
      await holder.release(slot, stop.signal);
      const { metadata } = await port.get(leases, { namespace, name: slot });
      expect(metadata.annotations?.['nodetender.dev/next']).toBe(
        JSON.stringify({ nodes: [second, third, first], waiting: 3 }),
      );
      await eventually('the turn of the oldest comes', () => [...locks.values()].some((lock) => hasTurn(lock)()));
      expect([...locks].filter(([, lock]) => hasTurn(lock)()).map(([node]) => node)).toEqual([second]);
      expect(await locks.get(second)?.acquire(stop.signal)).toMatchObject({ kind: 'acquired' });
    });

    it('is free again when the Node that holds it is gone, and lost to that node', async () => {
      const gone = unique();
      const holder = await lockOf(gone);
      await holder.acquire(stop.signal);
      await port.delete(nodes, { name: gone });
      await eventually('the garbage collector has freed it', () => holder.facts()?.kind === 'none', DEADLINE_MS);
      await expect(holder.confirm(slot, stop.signal)).rejects.toMatchObject({ code: 'lock/lost' });
      const next = await lockOf(unique());
      expect(await next.acquire(stop.signal)).toMatchObject({ kind: 'acquired' });
    });
  });
}
