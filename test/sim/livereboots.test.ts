import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { KubernetesClient } from '../../agent/cluster/client.ts';
import { stateLabel } from '../../agent/cluster/names.ts';
import { type NodeObject, nodes } from '../../agent/cluster/objects.ts';
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

const node = (): NodeObject => {
  const found = server.store.get(server.resource('nodes'), '', nodeName);
  if (found === undefined) throw new Error('the Node is gone');
  return found;
};
const state = (): string => node().metadata.labels?.[stateLabel] ?? 'idle';
const message = (): string | undefined =>
  node().status?.conditions?.find(({ type }) => type === 'RebootRequired')?.message;

/** The configuration and the sentinel are real files, of which the virtual clock knows nothing: hours pass for a busy disk. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let seconds = 0; !holds(); seconds += 1) {
    if (seconds > 40_000) throw new Error(`it has not come to this: ${what}`);
    await clock.advance(1_000);
  }
}

it('reboots and their sentinel follow the configuration file while the agent runs', async () => {
  const sentinel = join(agent.directory, 'reboot-required');
  const settings = (path: string): object => ({ ...harmless, sentinel: { path, settle: '1d' } });
  await writeFile(sentinel, '');
  await agent.setReboots({ enabled: true, ...settings(sentinel) });
  await until('wanted when enabled', () => state() === 'wanted');
  await agent.setReboots({ enabled: true, ...settings(`${sentinel}-elsewhere`) });
  await until('idle where there is no sentinel', () => state() === 'idle');
  await agent.setReboots({ enabled: true, ...settings(sentinel) });
  await until('wanted where there is one', () => state() === 'wanted');
  await agent.setReboots({ enabled: false, ...settings(sentinel) });
  await until('told anew when no longer enabled', () => message()?.includes('may still change') === false);
  expect(message()).toContain('reboot.enabled is false');
  expect(message()).not.toContain('all nodes');
});
