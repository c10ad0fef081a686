import { setTimeout as delay } from 'node:timers/promises';

import { both, type DrainCase, soon, web } from './draincase.ts';
import type { DrainSite } from './drainsite.ts';

const app = { matchLabels: { app: 'web' } };

/** What PodDisruptionBudgets make of it. */
export const budgetCases: readonly DrainCase[] = [
  {
    name: 'a budget with room',
    goes: ['a'],
    setUp: async (site) => {
      await both(site.pod('a', web), site.pod('b', { ...web, node: 'some-other-node' }));
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 2, healthy: 2 });
    },
  },
  {
    name: 'a budget that wants every pod',
    request: soon,
    ending: 'budget',
    impossible: true,
    goes: ['other'],
    setUp: async (site) => {
      await both(site.pod('a', web), site.pod('other'));
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 1, healthy: 1 });
    },
  },
  {
    name: 'a budget that has nothing to spare now',
    request: soon,
    ending: 'budget',
    goes: [],
    setUp: async (site) => {
      await both(site.pod('a', web), site.pod('b', { ...web, node: 'some-other-node', ready: false }));
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 2, healthy: 1 });
    },
  },
  {
    name: 'a budget for one of three, with the others elsewhere',
    request: soon,
    ending: 'budget',
    goes: ['a'],
    setUp: async (site) => {
      for (const name of ['a', 'b']) await site.pod(name, { ...web, ...(name === 'a' ? { ready: false } : {}) });
      await site.pod('c', { ...web, node: 'some-other-node', ready: false });
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 3, healthy: 1 });
    },
  },
  {
    name: 'two budgets for one pod',
    request: soon,
    ending: 'several-budgets',
    impossible: true,
    goes: ['other'],
    setUp: async (site) => {
      await both(site.pod('a', web), site.pod('other'));
      for (const name of ['one', 'two']) {
        await site.budget(name, { minAvailable: 0, selector: app }, { expected: 1, healthy: 1 });
      }
    },
  },
  {
    name: 'two budgets for a finished pod',
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', { ...web, phase: 'Succeeded' });
      for (const name of ['one', 'two']) await site.budget(name, { minAvailable: 1, selector: app });
    },
  },
  {
    name: 'a budget in another namespace',
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', web);
      const path = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
      await site.api.create(path, { metadata: { name: site.name }, spec: { minAvailable: 1, selector: app } });
    },
  },
  {
    name: 'a budget that selects every pod',
    request: soon,
    ending: 'budget',
    impossible: true,
    goes: [],
    setUp: async (site) => {
      await site.pod('a');
      await site.budget('all', { minAvailable: 1, selector: {} }, { expected: 1, healthy: 1 });
    },
  },
  {
    name: 'a budget without a selector',
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', web);
      await site.budget('none', { minAvailable: 1 });
    },
  },
  {
    name: 'a budget that selects by expressions',
    request: soon,
    ending: 'budget',
    impossible: true,
    goes: ['free'],
    setUp: async (site) => {
      await both(site.pod('a', web), site.pod('free', { labels: { app: 'free' } }));
      const matchExpressions = [
        { key: 'app', operator: 'NotIn', values: ['free', 'other'] },
        { key: 'app', operator: 'Exists' },
      ];
      await site.budget('web', { minAvailable: 1, selector: { matchExpressions } }, { expected: 1, healthy: 1 });
    },
  },
  {
    name: 'a budget by a share of pods that have no controller to ask how many there should be',
    request: soon,
    ending: 'budget',
    impossible: true,
    goes: [],
    setUp: async (site) => {
      await site.pod('a', { ...web, owner: 'none' });
      await site.budget('web', { maxUnavailable: 1, selector: app }, { expected: 0, healthy: 1 });
    },
  },
  {
    name: 'a budget that nobody can count, because the controller of its pods is gone, until it is changed',
    request: { timeoutSeconds: 60 },
    impossible: true,
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', web);
      await site.budget('web', { maxUnavailable: 1, selector: app }, 'uncountable');
    },
    meanwhile: async (site) => await allowAll(site),
  },
  {
    name: 'a pod that is not ready, under a budget that has enough without it',
    goes: ['a'],
    setUp: async (site) => {
      await both(site.pod('a', { ...web, ready: false }), site.pod('b', { ...web, node: 'some-other-node' }));
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 2, healthy: 1 });
    },
  },
  {
    name: 'a pod that is not ready, under a budget that has too few',
    request: soon,
    ending: 'budget',
    impossible: true,
    goes: [],
    setUp: async (site) => {
      await site.pod('a', { ...web, ready: false });
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 1, healthy: 0 });
    },
  },
  {
    name: 'a pod that is not ready, under a budget that lets such go always',
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', { ...web, ready: false });
      const spec = { minAvailable: 1, selector: app, unhealthyPodEvictionPolicy: 'AlwaysAllow' };
      await site.budget('web', spec, { expected: 1, healthy: 0 });
    },
  },
  {
    name: 'a pod that has not begun, under a budget without room',
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', { ...web, phase: 'Pending' });
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 1, healthy: 0 });
    },
  },
  {
    name: 'a finished pod, under a budget without room',
    goes: ['a'],
    setUp: async (site) => {
      await site.pod('a', { ...web, phase: 'Failed' });
      await site.budget('web', { minAvailable: 1, selector: app });
    },
  },
  {
    name: 'a budget that is changed meanwhile',
    request: { timeoutSeconds: 60 },
    goes: ['a'],
    // It never allowed one, and does later.
    impossible: true,
    setUp: async (site) => {
      await site.pod('a', web);
      await site.budget('web', { minAvailable: 1, selector: app }, { expected: 1, healthy: 1 });
    },
    meanwhile: async (site) => await allowAll(site),
  },
];

/** After a while, with the drain under way. */
async function allowAll(site: DrainSite): Promise<void> {
  await delay(1_000);
  const path = `/apis/policy/v1/namespaces/${site.name}/poddisruptionbudgets/web`;
  await site.api.merge(path, { spec: { minAvailable: 0, maxUnavailable: null } });
}
