import { setTimeout as delay } from 'node:timers/promises';

import { both, type DrainCase, soon } from './draincase.ts';
import type { DrainSite } from './drainsite.ts';

/** How pods end, and how the drain does. */
export const endingCases: readonly DrainCase[] = [
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
    name: 'a pod that is given longer to end than the drain lasts',
    request: soon,
    ending: 'ending',
    goes: [],
    setUp: (site) => site.pod('slow', { endsAfterMs: 'never', graceSeconds: 60 }),
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

/** As soon as the pod is gone, another one has its name. */
async function recreate(site: DrainSite, name: string, node: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    await delay(25);
    if ((await site.api.send('GET', `${site.pods}/${name}`)).status !== 404) continue;
    await site.pod(name, { node });
    break;
  }
}
