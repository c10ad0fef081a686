import { describe, expect, it } from 'vitest';

import type { ApiAnswer, Json } from '../../harness/api.ts';
import { type ApiServerSetting, pods, budgets, status, metadataOf } from './setting.ts';

/** Pods and their evictions. */
export function describePods(the: ApiServerSetting): void {
  const { unique, pod } = the;

  describe('pods', () => {
    it('are pending at first, whatever their maker says', async () => {
      const containers = [{ name: 'app', image: 'registry.example/app:1' }];
      const name = unique('pod');
      const made = await the.api.create(pods, {
        metadata: { name },
        spec: { containers },
        status: { phase: 'Running' },
      });
      expect(made).toMatchObject({
        status: { phase: 'Pending' },
        spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30 },
      });
      // Nobody runs it, so nobody must end it.
      expect((await the.api.send('DELETE', `${pods}/${name}`)).status).toBe(200);
      expect((await the.api.send('GET', `${pods}/${name}`)).status).toBe(404);
    });

    it('have their time to end when a node runs them', async () => {
      const path = `${pods}/${await pod()}`;
      const { body } = await the.api.send('DELETE', path);
      expect(body).toMatchObject({ kind: 'Pod', metadata: { deletionGracePeriodSeconds: 30 } });
      expect(metadataOf(await the.api.get(path)).deletionTimestamp).toBeDefined();
      await the.api.send('DELETE', path, { gracePeriodSeconds: 0 });
      expect((await the.api.send('GET', path)).status).toBe(404);
      const finished = `${pods}/${await pod({}, { phase: 'Succeeded' })}`;
      await the.api.send('DELETE', finished);
      expect((await the.api.send('GET', finished)).status).toBe(404);
    });
  });

  describe('evictions', () => {
    const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    const evict = async (name: string, deleteOptions: Json = {}): Promise<ApiAnswer> =>
      await the.api.send('POST', `${pods}/${name}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name },
        deleteOptions,
      });
    async function budget(app: string, disruptionsAllowed: number, observedGeneration = 1): Promise<string> {
      const name = unique('budget');
      const spec = {
        minAvailable: 1,
        selector: { matchExpressions: [{ key: 'app', operator: 'In', values: [app] }] },
      };
      await the.api.create(budgets, { metadata: { name }, spec });
      const counts = { currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
      await the.api.merge(`${budgets}/${name}/status`, {
        status: { ...counts, disruptionsAllowed, observedGeneration },
      });
      return name;
    }

    it('are refused by a budget that has nothing left, without saying how long', async () => {
      const app = unique('app');
      const name = await pod({ app }, ready);
      const refusing = await budget(app, 0);
      const answer = await evict(name);
      expect(answer.headers['retry-after']).toBeUndefined();
      expect(status(answer)).toEqual({
        code: 429,
        reason: 'TooManyRequests',
        message: "Cannot evict pod as it would violate the pod's disruption budget.",
        details: {
          causes: [
            {
              reason: 'DisruptionBudget',
              message: `The disruption budget ${refusing} needs 1 healthy pods and has 1 currently`,
            },
          ],
        },
      });
    });

    it('must wait for a budget that nobody has counted yet', async () => {
      const app = unique('app');
      const name = await pod({ app }, ready);
      await budget(app, 1, 0);
      const answer = await evict(name);
      expect(answer.headers['retry-after']).toBe('10');
      expect(status(answer)).toMatchObject({ code: 429, details: { retryAfterSeconds: 10 } });
    });

    it('spend the budget', async () => {
      const app = unique('app');
      const name = await pod({ app }, ready);
      const spent = await budget(app, 1);
      expect((await evict(name, { dryRun: ['All'] })).status).toBe(201);
      const answer = await evict(name);
      expect(answer).toMatchObject({ status: 201, body: { kind: 'Status', status: 'Success' } });
      const after = (await the.api.get(`${budgets}/${spent}`))['status'];
      expect(after).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { [name]: expect.any(String) } });
      expect(metadataOf(await the.api.get(`${pods}/${name}`)).deletionTimestamp).toBeDefined();
      // It is on its way already: asking again costs nothing.
      expect((await evict(name)).status).toBe(201);
    });

    it('ask no budget for a pod that has not begun or is finished', async () => {
      const app = unique('app');
      await budget(app, 0);
      expect((await evict(await pod({ app }, { phase: 'Pending' }))).status).toBe(201);
      expect((await evict(await pod({ app }, { phase: 'Failed' }))).status).toBe(201);
    });

    it('spare a pod that is not ready while the budget has enough without it', async () => {
      const app = unique('app');
      const spared = await budget(app, 0);
      expect((await evict(await pod({ app }, { phase: 'Running' }))).status).toBe(201);
      // Without any that must be healthy there is no telling that there are enough.
      for (const counts of [{ currentHealthy: 0 }, { currentHealthy: 0, desiredHealthy: 0 }]) {
        await the.api.merge(`${budgets}/${spared}/status`, { status: counts });
        expect((await evict(await pod({ app }, { phase: 'Running' }))).status).toBe(429);
      }
    });

    it('cannot answer to two budgets', async () => {
      const app = unique('app');
      const name = await pod({ app }, ready);
      await budget(app, 1);
      await budget(app, 1);
      expect(status(await evict(name))).toMatchObject({
        code: 500,
        message: expect.stringContaining('more than one'),
      });
    });
  });
}
