import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { ClusterNode } from '../harness/clusternode.ts';
import { connectionsTo } from '../harness/connections.ts';
import { installEraserObjects } from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/** What an agent with nothing to do costs a real API server. Hours of it are counted by the simulation. */

const user = 'system:agent';
const QUIET_MS = 60_000;

let plane: ControlPlane;
let node: ClusterNode;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  await installEraserObjects(plane.clients);
  const identity = plane.clients.user({ commonName: user, organizations: ['system:masters'] });
  const access = { kubeconfig: await plane.clients.kubeconfigFile('idle', identity) };
  node = await ClusterNode.create({
    clients: plane.clients,
    name: 'idle',
    access,
    cluster: { namespace: 'nodetender' },
  });
});
afterAll(async () => {
  await node?.dispose();
  await plane.destroy();
});

async function requests(): Promise<string[]> {
  const events = await plane.auditEvents();
  return events.filter((event) => event.user === user).map(({ verb, resource }) => `${verb} ${resource}`);
}

it('begins with one list and one watch of each thing it follows, on one connection, and is then silent', async () => {
  const { pid } = await node.startAgent();
  await node.untilState('idle');
  const port = Number(new URL(plane.clients.server).port);
  const connections = await connectionsTo(port, pid);
  expect(connections).toHaveLength(1);
  const started = await requests();
  const followed = ['nodes', 'pods', 'configmaps', 'configmaps', 'configmaps', 'imagelists'];
  expect(started.toSorted()).toEqual(
    [...followed.flatMap((resource) => [`list ${resource}`, `watch ${resource}`]), 'patch nodes'].toSorted(),
  );
  await delay(QUIET_MS);
  expect((await requests()).slice(started.length)).toEqual([]);
  expect(await connectionsTo(port, pid)).toEqual(connections);
});
