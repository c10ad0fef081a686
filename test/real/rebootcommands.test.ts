import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { takenBody } from '../../agent/reboot/lock/slot.ts';
import { RunningCommand } from '../contract/cli/command.ts';
import { mainScript } from '../harness/command.ts';
import { ControlPlane } from '../harness/kubernetes.ts';
import { grant, permissionsListed, permissionsUsed } from '../harness/permissions.ts';

/** The commands about reboots, typed by somebody who may do what the chart's list says and nothing else. */

const namespace = 'nodetender';
const person = { kind: 'User', name: 'somebody' };

let plane: ControlPlane;
let kubeconfig: string;
let commands: RunningCommand[] = [];

beforeAll(async () => {
  plane = await ControlPlane.launch();
  const { clients } = plane;
  if ((await clients.api.send('GET', `/api/v1/namespaces/${namespace}`)).status === 404) {
    await clients.api.create('/api/v1/namespaces', { metadata: { name: namespace } });
  }
  await grant(clients, 'person', person);
  await grant(clients, 'personReboots', person);
  kubeconfig = await clients.kubeconfigFile(person.name, clients.user({ commonName: person.name }));
  const node = await clients.api.create('/api/v1/nodes', { metadata: { name: 'web-1' } });
  const { uid } = node['metadata'] as { uid: string };
  const taken = takenBody(undefined, 'default', { name: 'web-1', uid }, Date.now());
  await clients.api.create(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, {
    ...taken,
    metadata: { ...taken.metadata, name: 'nodetender-default-0' },
  });
});
afterAll(async () => {
  await plane?.destroy();
});
afterEach(async () => {
  for (const command of commands) await command.dispose();
  commands = [];
});

function begin(...args: string[]): RunningCommand {
  const command = new RunningCommand([...args, '-n', namespace], {
    env: { KUBECONFIG: kubeconfig },
    program: [process.execPath, mainScript],
  });
  commands.push(command);
  return command;
}

describe('a person with these permissions', () => {
  it('sees the roll and follows it, asks for a reboot, and releases a slot', async () => {
    const watch = begin('status', '--watch');
    await watch.untilSaid(/lease\/nodetender-default-0 is held by node\/web-1$/m);
    expect(await begin('reboot', 'web-1', '--reason', 'CVE-2026-1').outcome()).toMatchObject({
      status: 0,
      stdout: 'node/web-1 annotated\n',
    });
    await watch.untilSaid(/node\/web-1 requested: no agent has taken the request up$/m);
    expect((await begin('status').outcome()).stdout).toMatch(/web-1 +requested,NotReady .*nodetender-default-0 for/);
    expect((await begin('lock', 'release', 'web-1', '--yes').outcome()).stdout).toBe(
      'lease/nodetender-default-0 released\n',
    );
    await watch.untilSaid(/lease\/nodetender-default-0 is free$/m);
    watch.signal('SIGINT');
    expect((await watch.outcome()).status).toBe(130);
    expect((await begin('lock', 'list').outcome()).stdout).toMatch(/^nodetender-default-0 +default +<none>/m);
  });

  it('is told what to do where it may not look into all namespaces', async () => {
    const everywhere = new RunningCommand(['lock', 'list'], {
      env: { KUBECONFIG: kubeconfig },
      program: [process.execPath, mainScript],
    });
    commands.push(everywhere);
    const { status, stderr } = await everywhere.outcome();
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/cannot look for Leases in all namespaces.*--namespace/),
    ]);
  });

  it('has used all of them for Leases, and nothing that is not listed', async () => {
    const listed = [...permissionsListed('person'), ...permissionsListed('personReboots')];
    const events = (await plane.auditEvents()).filter(({ user, code }) => user === person.name && code !== 403);
    const used = permissionsUsed(events);
    expect(listed).toEqual(expect.arrayContaining(used));
    expect(used).toEqual(expect.arrayContaining(permissionsListed('personReboots')));
  });
});
