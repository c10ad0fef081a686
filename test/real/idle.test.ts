import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { connectionsTo } from '../harness/connections.ts';
import { eventually } from '../harness/eventually.ts';
import { installEraserObjects } from '../harness/imagelistagents.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { RebootingNode } from '../harness/rebootingnode.ts';

/** What agents with nothing to do, reboots included, cost a real API server. Hours of it are counted by the simulation. */

const QUIET_MS = 60_000;

let plane: ControlPlane;
/** Nothing is wanted of it. */
let idle: RebootingNode;
/** Its host asks for a reboot, and another node has the slot. */
let waiting: RebootingNode;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  await installEraserObjects(plane.clients);
  await plane.api.create('/apis/coordination.k8s.io/v1/namespaces/nodetender/leases', {
    metadata: { name: 'nodetender-default-0', labels: { 'nodetender.dev/pool': 'default' } },
    spec: { holderIdentity: 'elsewhere' },
  });
  idle = await launch('idle');
  waiting = await launch('waiting');
});
afterAll(async () => {
  await idle?.dispose();
  await waiting?.dispose();
  await plane?.destroy();
});

async function launch(name: string): Promise<RebootingNode> {
  const { clients } = plane;
  const identity = clients.user({ commonName: name, organizations: ['system:masters'] });
  const access = { kubeconfig: await clients.kubeconfigFile(name, identity) };
  // Gates are asked as often as by default.
  return await RebootingNode.create({ clients, name, access, settings: { gates: {} } });
}

async function requests(user: string): Promise<string[]> {
  const events = await plane.auditEvents();
  return events.filter((event) => event.user === user).map(({ verb, resource }) => `${verb} ${resource}`);
}

describe('an agent of a cluster', () => {
  let started: string[];
  /** Before and after the silence. */
  let connections: { before: number[]; after: number[] };
  let waitingSince: number;

  beforeAll(async () => {
    const { pid } = await idle.node.startAgent();
    await waiting.node.startAgent();
    await waiting.host.wantReboot('linux-image-generic');
    await idle.node.untilState('idle');
    await eventually(
      'the other one waits for a slot',
      async () => {
        const events = await waiting.node.events();
        return events.some(({ reason }) => reason === 'RebootWaiting');
      },
      60_000,
    );
    // What it says of itself is written within seconds of a change.
    await delay(5_000);
    const port = Number(new URL(plane.clients.server).port);
    started = await requests('idle');
    waitingSince = (await requests('waiting')).length;
    const before = await connectionsTo(port, pid);
    await delay(QUIET_MS);
    connections = { before, after: await connectionsTo(port, pid) };
  });

  it('begins with one list and one watch of each thing it follows, on one connection', () => {
    const followed = ['nodes', 'pods', 'configmaps', 'configmaps', 'configmaps', 'imagelists', 'leases'];
    const both = followed.flatMap((resource) => [`list ${resource}`, `watch ${resource}`]);
    expect(started.toSorted()).toEqual([...both, 'get nodes', 'patch nodes'].toSorted());
    expect(connections.before).toHaveLength(1);
  });

  it('is then silent', async () => {
    expect((await requests('idle')).slice(started.length)).toEqual([]);
    expect(connections.after).toEqual(connections.before);
  });

  it('is silent, too, while its node waits for another to give back the slot', async () => {
    expect((await requests('waiting')).slice(waitingSince)).toEqual([]);
    expect(waiting.host.machine.rebootsAsked).toBe(0);
  });
});
