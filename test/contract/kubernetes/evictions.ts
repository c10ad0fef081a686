import { describe, expect, it } from 'vitest';
import { pods } from '../../../agent/cluster/objects.ts';
import type { KubernetesObject, Resource } from '../../../agent/cluster/port.ts';
import { budgets, type KubernetesSetting, namespace } from './setting.ts';

const namespaces: Resource = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };

/** Evictions, and the budgets that they wait for. */
export function describeEvictions(the: KubernetesSetting): void {
  const { unique, node, runningPod } = the;

  describe('evictions', () => {
    async function budgetFor(labels: Record<string, string>, disruptionsAllowed: number): Promise<KubernetesObject> {
      const { metadata } = await the.port.create(budgets, namespace, {
        metadata: { name: unique('budget') },
        spec: { minAvailable: 1, selector: { matchLabels: labels } },
      });
      await allow(metadata, disruptionsAllowed);
      return { metadata };
    }

    /** What the disruption controller would say; none runs here. */
    async function allow(metadata: KubernetesObject['metadata'], disruptionsAllowed: number): Promise<void> {
      const status = {
        observedGeneration: 1,
        disruptionsAllowed,
        currentHealthy: 1,
        desiredHealthy: 1,
        expectedPods: 1,
      };
      await the.port.patch(budgets, metadata, { type: 'merge', body: { status }, subresource: 'status' });
    }

    it('waits for a budget, and goes through when that allows it', async () => {
      const labels = { app: unique('app') };
      const { metadata } = await runningPod((await node()).metadata.name, labels);
      const budget = await budgetFor(labels, 0);
      await expect(the.port.evict(metadata, { gracePeriodSeconds: 0 })).rejects.toMatchObject({
        code: 'cluster/disruption-budget',
        notApplied: true,
      });
      expect((await the.port.get(pods, metadata)).metadata.deletionTimestamp).toBeUndefined();
      await allow(budget.metadata, 1);
      await the.port.evict(metadata, { gracePeriodSeconds: 0 });
      await expect(the.port.get(pods, metadata)).rejects.toMatchObject({ code: 'cluster/not-found' });
    });

    it("lets a pod go in its own time, which shows as the pod's deletion", async () => {
      const { metadata } = await runningPod((await node()).metadata.name);
      await the.port.evict(metadata, { preconditions: { uid: metadata.uid } });
      expect((await the.port.get(pods, metadata)).metadata.deletionTimestamp).toMatch(/^\d{4}-/);
      await the.port.evict(metadata, { gracePeriodSeconds: 0 });
    });

    it('evicts nobody else of the same name', async () => {
      const { metadata } = await runningPod((await node()).metadata.name);
      const uid = '00000000-0000-0000-0000-000000000000';
      await expect(the.port.evict(metadata, { preconditions: { uid } })).rejects.toMatchObject({
        code: 'cluster/conflict',
      });
      await expect(the.port.evict(metadata, { preconditions: { uid }, dryRun: true })).rejects.toMatchObject({
        code: 'cluster/conflict',
      });
      await expect(the.port.evict({ namespace, name: unique('nobody') })).rejects.toMatchObject({
        code: 'cluster/not-found',
      });
    });

    it('can be tried without an effect: no pod goes, no budget is spent', async () => {
      const labels = { app: unique('app') };
      const { metadata } = await runningPod((await node()).metadata.name, labels);
      const budget = await budgetFor(labels, 1);
      await the.port.evict(metadata, { preconditions: { uid: metadata.uid }, dryRun: true });
      expect((await the.port.get(pods, metadata)).metadata.deletionTimestamp).toBeUndefined();
      expect((await the.port.get(budgets, budget.metadata)).status).toMatchObject({ disruptionsAllowed: 1 });
      await allow(budget.metadata, 0);
      await expect(the.port.evict(metadata, { dryRun: true })).rejects.toMatchObject({
        code: 'cluster/disruption-budget',
      });
    });

    it('says that several budgets count a pod', async () => {
      const labels = { app: unique('app') };
      const { metadata } = await runningPod((await node()).metadata.name, labels);
      for (let count = 0; count < 2; count += 1) await budgetFor(labels, 1);
      await expect(the.port.evict(metadata)).rejects.toMatchObject({ code: 'cluster/several-budgets' });
    });

    it("says that a pod's namespace is going", async () => {
      const going = unique('going');
      await the.port.create(namespaces, undefined, { metadata: { name: going } });
      await the.port.create(pods, going, {
        metadata: { name: 'web' },
        spec: { nodeName: 'some-node', containers: [{ name: 'app', image: 'registry.example/app:1' }] },
      });
      await the.port.delete(namespaces, { name: going });
      await expect(the.port.evict({ namespace: going, name: 'web' })).rejects.toMatchObject({
        code: 'cluster/namespace-terminating',
      });
    });
  });
}
