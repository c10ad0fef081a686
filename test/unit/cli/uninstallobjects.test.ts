import { expect, it } from 'vitest';

import { agentProblems } from '../../../agent/cli/uninstallobjects.ts';
import { pods } from '../../../agent/cluster/objects.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { directPort } from '../../emulators/kubernetes/directport.ts';

const { signal } = new AbortController();

/** Somebody who may list agents in `default` alone, in a cluster that has one there and one elsewhere. */
async function lookFor(namespace: string | undefined): ReturnType<typeof agentProblems> {
  const clock = new VirtualClock();
  const server = new EmulatedApiServer({ clock });
  const portOf = (user: string) => directPort({ server, user, clock });
  server.access.grant('admin');
  const rule = { groups: ['', 'apps'], resources: ['pods', 'daemonsets'], verbs: ['list'] };
  server.access.grant('person', [{ ...rule, namespaces: ['default'] }]);
  for (const where of ['default', 'kube-system']) {
    await portOf('admin').create(pods, where, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `agent-${where}`, labels: { 'app.kubernetes.io/name': 'nodetender' } },
      spec: { containers: [{ name: 'agent', image: 'x' }] },
    });
  }
  return await agentProblems({ port: portOf('person'), server: '', namespace, clock, random: () => 0 }, signal);
}

it('agents of other namespaces that may not be looked for are not taken for gone', async () => {
  expect(await lookFor('default')).toEqual([
    expect.stringMatching(/^agents are still there, .*: pod\/agent-default in default\. /),
    expect.stringMatching(/^agents were looked for in namespace default alone, .*: list \w+: .*at the cluster scope/),
  ]);
});

it('whoever may look into one namespace has to name it', async () => {
  await expect(lookFor(undefined)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('--namespace'),
  });
});
