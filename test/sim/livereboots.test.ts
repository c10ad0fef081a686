import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { KubernetesClient } from '../../agent/cluster/client.ts';
import { stateLabel } from '../../agent/cluster/names.ts';
import { nodes } from '../../agent/cluster/objects.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { EmulatedApiServer } from '../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../emulators/kubernetes/transport.ts';
import { agentNamespace, InProcessAgent } from '../harness/inprocessagent.ts';

const nodeName = 'node-1';
/** Whatever happens: nothing settles within a day, and nothing is rebooted by this command. */
const harmless = { method: 'command', command: ['/bin/true'] };

let clock: VirtualClock;
let server: EmulatedApiServer;
let agent: InProcessAgent;
beforeEach(async () => {
  clock = new VirtualClock();
  server = new EmulatedApiServer({ clock });
  server.access.grant('agent');
  const random = (): number => 0.5;
  const transport = new InMemoryTransport({ server, user: 'agent', clock });
  const port = new KubernetesClient({ transport, clock, random, userAgent: 'nodetender/test' });
  const namespaces = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };
  await clock.run(port.create(namespaces, undefined, { metadata: { name: agentNamespace } }));
  await clock.run(port.create(nodes, undefined, { metadata: { name: nodeName } }));
  agent = await InProcessAgent.start({ nodeName, port, clock, random });
  await clock.run(agent.ready());
});
afterEach(async () => {
  await clock.run(agent.stop());
});

/** The configuration and the sentinel are real files, of which the virtual clock knows nothing. */
async function untilState(state: string | undefined): Promise<void> {
  for (let seconds = 0; seconds < 600; seconds += 1) {
    const node = server.store.get(server.resource('nodes'), '', nodeName);
    if (node?.metadata.labels?.[stateLabel] === state) return;
    await clock.advance(1_000);
  }
  throw new Error(`the node has not come to be ${state ?? 'idle'}`);
}

const condition = (): unknown => {
  const node = server.store.get(server.resource('nodes'), '', nodeName) as unknown as {
    status?: { conditions?: { type: string; status: string; message: string }[] };
  };
  return node.status?.conditions?.find(({ type }) => type === 'RebootRequired');
};

it('reboots and their sentinel follow the configuration file while the agent runs', async () => {
  const sentinel = join(agent.directory, 'reboot-required');
  const settings = (path: string): object => ({ ...harmless, sentinel: { path, settle: '1d' } });
  await writeFile(sentinel, '');
  await agent.setReboots({ enabled: true, ...settings(sentinel) });
  await untilState('wanted');
  await agent.setReboots({ enabled: true, ...settings(`${sentinel}-elsewhere`) });
  await untilState(undefined);
  await agent.setReboots({ enabled: true, ...settings(sentinel) });
  await untilState('wanted');
  await agent.setReboots({ enabled: false, ...settings(sentinel) });
  for (let seconds = 0; seconds < 180; seconds += 1) await clock.advance(1_000);
  expect(condition()).toMatchObject({ status: 'True', message: expect.stringContaining('reboot.enabled is false') });
});
