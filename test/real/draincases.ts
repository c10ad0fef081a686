import { setTimeout as delay } from 'node:timers/promises';

import { type DrainSite, ownerOf } from './drainsite.ts';
import type { DrainRequest, Ending } from './drainways.ts';

export interface DrainCase {
  readonly name: string;
  readonly request?: Partial<DrainRequest>;
  readonly ending?: Ending;
  /** The rehearsal says so before anything is cordoned. */
  readonly impossible?: boolean;
  /** The pods that go, of those that the test made; all others stay as they are. */
  readonly goes: readonly string[];
  readonly setUp: (site: DrainSite) => Promise<void>;
  /** Begins with the drain. */
  readonly meanwhile?: (site: DrainSite) => Promise<void>;
}

/** For drains that end by their timeout: kubectl tries again after 5 s at the earliest, and looks at its timeout then. */
const soon = { timeoutSeconds: 3 };

const app = { matchLabels: { app: 'web' } };
const web = { labels: { app: 'web' } };

function controllerAlone(kind: string, name: string): object {
  const { controller: _controller, ...owner } = ownerOf(kind, name);
  return owner;
}

const selectionCases: readonly DrainCase[] = [
  { name: 'an empty node', goes: [], setUp: async () => undefined },
  { name: 'pods of a ReplicaSet', goes: ['a', 'b'], setUp: (site) => both(site.pod('a'), site.pod('b')) },
  {
    name: 'a pod on another node',
    goes: ['a'],
    setUp: (site) => both(site.pod('a'), site.pod('elsewhere', { node: 'some-other-node' })),
  },
  {
    name: 'a pod that nobody would make again',
    goes: ['bare'],
    setUp: (site) => site.pod('bare', { owner: 'none' }),
  },
  {
    name: 'a pod that nobody would make again, to be kept',
    request: { keepUnmanaged: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => both(site.pod('bare', { owner: 'none' }), site.pod('a')),
  },
  {
    name: 'an owner that is no controller',
    request: { keepUnmanaged: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => site.pod('owned', { owner: { ...controllerAlone('ReplicaSet', 'web') } }),
  },
  {
    name: 'a finished pod that nobody would make again, others of which are to be kept',
    request: { keepUnmanaged: true },
    goes: ['done'],
    setUp: (site) => site.pod('done', { owner: 'none', phase: 'Succeeded' }),
  },
  { name: 'data in an emptyDir', goes: ['a'], setUp: (site) => site.pod('a', { emptyDir: true }) },
  {
    name: 'data in an emptyDir, to be kept',
    request: { keepEmptyDir: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => both(site.pod('data', { emptyDir: true }), site.pod('a')),
  },
  {
    name: 'a failed pod with an emptyDir, others of which are to be kept',
    request: { keepEmptyDir: true },
    goes: ['done'],
    setUp: (site) => site.pod('done', { emptyDir: true, phase: 'Failed' }),
  },
  {
    name: 'mirrors of static pods',
    goes: ['a'],
    setUp: (site) => both(site.pod('mirror', { annotations: { 'kubernetes.io/config.mirror': 'x' } }), site.pod('a')),
  },
  {
    name: 'a mirror without owner and with an emptyDir, others of which are to be kept',
    request: { keepUnmanaged: true, keepEmptyDir: true },
    goes: [],
    setUp: (site) =>
      site.pod('mirror', { owner: 'none', emptyDir: true, annotations: { 'kubernetes.io/config.mirror': 'x' } }),
  },
  {
    name: 'a pod of a DaemonSet',
    goes: ['a'],
    setUp: (site) =>
      both(site.daemonSet('agents'), site.pod('agent', { owner: ownerOf('DaemonSet', 'agents') }), site.pod('a')),
  },
  {
    name: 'a pod of a DaemonSet with an emptyDir, others of which are to be kept',
    request: { keepEmptyDir: true, keepUnmanaged: true },
    goes: [],
    setUp: (site) =>
      both(site.daemonSet('agents'), site.pod('agent', { owner: ownerOf('DaemonSet', 'agents'), emptyDir: true })),
  },
  {
    name: 'a finished pod of a DaemonSet',
    goes: ['agent'],
    setUp: (site) =>
      both(site.daemonSet('agents'), site.pod('agent', { owner: ownerOf('DaemonSet', 'agents'), phase: 'Failed' })),
  },
  {
    name: 'a pod whose DaemonSet is gone',
    goes: ['agent'],
    setUp: (site) => site.pod('agent', { owner: ownerOf('DaemonSet', 'gone') }),
  },
  {
    name: 'a pod whose DaemonSet is gone, to be kept',
    request: { keepUnmanaged: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => both(site.pod('agent', { owner: ownerOf('DaemonSet', 'gone') }), site.pod('a')),
  },
  {
    name: 'a pod whose DaemonSet is gone, with an emptyDir to be kept',
    request: { keepEmptyDir: true },
    ending: 'refused',
    impossible: true,
    goes: [],
    setUp: (site) => site.pod('agent', { owner: ownerOf('DaemonSet', 'gone'), emptyDir: true }),
  },
  {
    name: 'a pod of what somebody else calls a DaemonSet',
    goes: ['agent'],
    setUp: (site) => site.pod('agent', { owner: ownerOf('DaemonSet', 'agents', 'example.com/v1') }),
  },
  {
    name: 'a pod selector',
    request: { podSelector: 'app=web' },
    goes: ['a'],
    setUp: (site) => both(site.pod('a', web), site.pod('b')),
  },
  {
    name: 'a pod selector that leaves out what may not go',
    request: { podSelector: 'app in (web)', keepUnmanaged: true },
    goes: ['a'],
    setUp: (site) => both(site.pod('a', web), site.pod('bare', { owner: 'none' })),
  },
  {
    name: 'a pod selector that fits none',
    request: { podSelector: 'app=nothing' },
    goes: [],
    setUp: (site) => site.pod('a', web),
  },
  {
    name: 'critical pods beside others',
    goes: ['a', 'dns'],
    setUp: (site) => both(site.pod('dns', { priorityClass: 'system-cluster-critical' }), site.pod('a')),
  },
];

const budgetCases: readonly DrainCase[] = [
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

const endingCases: readonly DrainCase[] = [
  {
    name: 'a pod that takes its time',
    goes: ['slow'],
    setUp: (site) => site.pod('slow', { endsAfterMs: 3_000 }),
  },
  {
    name: 'a pod that is ending already',
    goes: ['leaving'],
    setUp: async (site) => {
      await site.pod('leaving', { endsAfterMs: 3_000 });
      await site.beginDeletion('leaving', 30);
    },
  },
  {
    name: 'a pod that never ends',
    request: soon,
    ending: 'ending',
    goes: [],
    setUp: (site) => site.pod('stays', { endsAfterMs: 'never' }),
  },
  {
    name: 'a pod with a finalizer',
    request: soon,
    ending: 'ending',
    goes: [],
    setUp: (site) => site.pod('held', { finalizers: ['test.nodetender.dev/held'] }),
  },
  {
    name: 'a pod that should have ended long ago, and is not to be waited for',
    request: { skipTerminatingAfterSeconds: 1 },
    goes: ['a'],
    setUp: async (site) => {
      await both(site.pod('stays', { endsAfterMs: 'never' }), site.pod('a'));
      await site.beginDeletion('stays', 1);
      await delay(4_000);
    },
  },
  {
    name: 'a pod that should have ended long ago, and is waited for',
    request: soon,
    ending: 'ending',
    goes: ['a'],
    setUp: async (site) => {
      await both(site.pod('stays', { endsAfterMs: 'never' }), site.pod('a'));
      await site.beginDeletion('stays', 1);
      await delay(2_000);
    },
  },
  {
    name: 'a pod that is waited for only so long',
    request: { skipTerminatingAfterSeconds: 2 },
    goes: [],
    setUp: (site) => site.pod('stays', { endsAfterMs: 'never', graceSeconds: 1 }),
  },
  {
    name: 'no time to end',
    request: { gracePeriodSeconds: 0 },
    goes: ['stays'],
    setUp: (site) => site.pod('stays', { endsAfterMs: 'never' }),
  },
  {
    name: 'no time to end for a pod that is ending already',
    request: { gracePeriodSeconds: 0 },
    goes: ['stays'],
    setUp: async (site) => {
      await site.pod('stays', { endsAfterMs: 'never' });
      await site.beginDeletion('stays', 300);
    },
  },
  {
    name: 'a namespace that is going',
    request: { timeoutSeconds: 60 },
    goes: ['a', 'b'],
    setUp: async (site) => {
      for (const name of ['a', 'b']) await site.pod(name, { endsAfterMs: 5_000 });
      await site.api.delete(`/api/v1/namespaces/${site.name}`);
    },
  },
  {
    name: 'a name that is used again on another node',
    goes: ['web-0'],
    setUp: (site) => site.pod('web-0', { endsAfterMs: 2_000 }),
    meanwhile: async (site) => await recreate(site, 'web-0', 'some-other-node'),
  },
  {
    name: 'evictions that the cluster denies',
    request: soon,
    ending: 'denied',
    impossible: true,
    goes: [],
    setUp: async (site) => {
      await site.api.merge(`/api/v1/namespaces/${site.name}`, { metadata: { labels: { evictions: 'denied' } } });
      await site.pod('a');
    },
  },
];

export const drainCases: readonly DrainCase[] = [...selectionCases, ...budgetCases, ...endingCases];

async function both(...works: readonly Promise<void>[]): Promise<void> {
  await Promise.all(works);
}

/** After a while, with the drain under way. */
async function allowAll(site: DrainSite): Promise<void> {
  await delay(1_000);
  const path = `/apis/policy/v1/namespaces/${site.name}/poddisruptionbudgets/web`;
  await site.api.merge(path, { spec: { minAvailable: 0, maxUnavailable: null } });
}

/** As soon as the pod is gone, another one has its name. */
async function recreate(site: DrainSite, name: string, node: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    await delay(25);
    if ((await site.api.send('GET', `${site.pods}/${name}`)).status !== 404) continue;
    await site.pod(name, { node });
    break;
  }
}
