import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Api, Json } from '../harness/api.ts';
import { eventually } from '../harness/eventually.ts';

/** An API server with the controllers that a cluster has. */
export interface ControllersUnderTest {
  /** An administrator's requests. */
  readonly api: Api;
  dispose(): Promise<void>;
}

const pods = '/api/v1/namespaces/default/pods';
const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const DEADLINE_MS = 60_000;

export function describeControllersContract(name: string, start: () => Promise<ControllersUnderTest>): void {
  describe(`the controllers beside ${name}`, () => {
    let server: ControllersUnderTest;
    let api: Api;
    let counter = 0;

    beforeAll(async () => {
      server = await start();
      ({ api } = server);
    });
    afterAll(async () => {
      await server.dispose();
    });

    const unique = (prefix: string): string => `${prefix}-${(counter += 1)}`;

    async function readyPod(app: string): Promise<string> {
      const name = unique('pod');
      const spec = { nodeName: 'some-node', containers: [{ name: 'app', image: 'registry.example/app:1' }] };
      await api.create(pods, { metadata: { name, labels: { app } }, spec });
      const conditions = [{ type: 'Ready', status: 'True' }];
      await api.merge(`${pods}/${name}/status`, { status: { phase: 'Running', conditions } });
      return name;
    }

    const evict = async (name: string): Promise<number> =>
      (await api.send('POST', `${pods}/${name}/eviction`, { metadata: { name } })).status;

    async function allowed(budget: string, count: number): Promise<void> {
      await eventually(
        `${budget} allows ${count}`,
        async () => {
          const { status } = (await api.get(`${budgets}/${budget}`)) as { status?: Json };
          return status?.['disruptionsAllowed'] === count && status['observedGeneration'] === 1;
        },
        DEADLINE_MS,
      );
    }

    /** What a budget said in its first two changes after a version. */
    async function allowances(budget: string, from: string): Promise<unknown[]> {
      const seen: unknown[] = [];
      const watch = api.watch(`${budgets}?watch=1&fieldSelector=metadata.name%3D${budget}&resourceVersion=${from}`);
      for await (const { object } of watch) {
        seen.push((object['status'] as Json)['disruptionsAllowed']);
        if (seen.length === 2) break;
      }
      return seen;
    }

    it('let pods go one after the other while enough others are ready', async () => {
      const app = unique('app');
      const [first, second] = [await readyPod(app), await readyPod(app)];
      const name = unique('budget');
      await api.create(budgets, { metadata: { name }, spec: { minAvailable: 1, selector: { matchLabels: { app } } } });
      await allowed(name, 1);
      const { metadata } = await api.get(budgets);
      expect(await evict(first)).toBe(201);
      expect(await evict(second)).toBe(429);
      expect(await allowances(name, String((metadata as Json)['resourceVersion']))).toEqual([0, 0]);
      await api.send('DELETE', `${pods}/${first}`, { gracePeriodSeconds: 0 });
      await allowed(name, 0);
      expect(await evict(second)).toBe(429);
      await readyPod(app);
      await allowed(name, 1);
      expect(await evict(second)).toBe(201);
    });

    it('are seen in the order in which things happened', async () => {
      const { metadata } = await api.get(budgets);
      const name = unique('budget');
      const from = String((metadata as Json)['resourceVersion']);
      const watch = api.watch(`${budgets}?watch=1&fieldSelector=metadata.name%3D${name}&resourceVersion=${from}`);
      const watching = (async () => {
        const frames: { type: string; version: number }[] = [];
        for await (const { type, object } of watch) {
          frames.push({ type, version: Number((object['metadata'] as Json)['resourceVersion']) });
          if (frames.length === 2) break;
        }
        return frames;
      })();
      // By the time that this is answered the watch is open.
      await api.get(budgets);
      const selector = { matchLabels: { app: unique('app') } };
      await api.create(budgets, { metadata: { name }, spec: { minAvailable: 1, selector } });
      const frames = await watching;
      expect(frames.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED']);
      expect(frames[1]?.version).toBeGreaterThan(frames[0]?.version ?? 0);
    });

    it('delete a Lease with the Node that owns it, and only then', async () => {
      const owner = async (node: string): Promise<Json> => {
        const { metadata } = await api.create('/api/v1/nodes', { metadata: { name: node } });
        return { apiVersion: 'v1', kind: 'Node', name: node, uid: (metadata as Json)['uid'] };
      };
      const [gone, kept] = [unique('node'), unique('node')];
      const [goneOwner, keptOwner] = [await owner(gone), await owner(kept)];
      const lease = async (...ownerReferences: Json[]): Promise<string> => {
        const name = unique('lease');
        await api.create(leases, { metadata: { name, ownerReferences }, spec: { holderIdentity: gone } });
        return `${leases}/${name}`;
      };
      const [ghost, shared, other] = [
        await lease(goneOwner),
        await lease(goneOwner, keptOwner),
        await lease(keptOwner),
      ];
      await api.delete(`/api/v1/nodes/${gone}`);
      await eventually(
        'the Lease of the Node that is gone is deleted',
        async () => (await api.send('GET', ghost)).status === 404,
        DEADLINE_MS,
      );
      expect((await api.send('GET', shared)).status).toBe(200);
      expect((await api.send('GET', other)).status).toBe(200);
      // A write may be late: the Node that it is for has gone meanwhile.
      const late = await lease(goneOwner);
      await eventually(
        'the Lease that was made for it afterwards is deleted',
        async () => (await api.send('GET', late)).status === 404,
        DEADLINE_MS,
      );
    });
  });
}
