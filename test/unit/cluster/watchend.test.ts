import { expect, it } from 'vitest';
import { nodes } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import { Watched } from '../../../agent/cluster/watch.ts';
import { VirtualClock } from '../../emulators/clock.ts';

it('a caller that ends with what the list shows is not kept waiting by a watch', async () => {
  const end = new AbortController();
  let watches = 0;
  const port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'> = {
    list: async (_, __, project) => {
      const node = { metadata: { name: 'web-1', uid: 'u', resourceVersion: '1' } };
      return await Promise.resolve({ items: [project(node as never)], resourceVersion: '1' });
    },
    watch: async function* () {
      watches += 1;
      yield { type: 'opened' };
      await new Promise(() => {});
    },
    lastHeardMs: () => undefined,
  };
  const watched = new Watched({
    port,
    resource: nodes,
    scope: {},
    project: ({ metadata }) => metadata.name,
    onChange: () => end.abort(),
    clock: new VirtualClock(0),
    random: () => 0.5,
  });
  await watched.run(end.signal);
  expect([watched.values(), watches]).toEqual([['web-1'], 0]);
});
