import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RunningCommand } from '../contract/cli/command.ts';
import { ClusterNode } from '../harness/clusternode.ts';
import { mainScript } from '../harness/command.ts';
import { kubectl } from '../harness/kubectl.ts';
import { ControlPlane } from '../harness/kubernetes.ts';

/**
 * What commands say of requests that wait, on a real API server with real agents, whose container runtimes are emulated.
 * What they do is in kubectlpage.test.ts.
 */

const namespace = 'agents';
const old = 'registry.example/old:1';

let plane: ControlPlane;
let kubeconfig: string;
let nodes: ClusterNode[] = [];
let commands: RunningCommand[] = [];
let counter = 0;

beforeAll(async () => {
  plane = await ControlPlane.launch();
  kubeconfig = await plane.clients.kubeconfigFile('person');
  await kubectl(plane.clients, 'create', 'namespace', namespace);
});
afterAll(async () => {
  await plane?.destroy();
});
beforeEach(async () => {
  for (let at = 0; at < 2; at += 1) {
    counter += 1;
    const node = await ClusterNode.create({ clients: plane.clients, name: `node-${counter}`, cluster: { namespace } });
    nodes.push(node);
    await node.addUnused(old, `registry.example/old:${counter + 100}`);
    await node.startAgent();
    await node.untilState('idle');
  }
});
afterEach(async () => {
  for (const command of commands) await command.dispose();
  for (const node of nodes) {
    await node.dispose();
    await plane.clients.api.delete(`/api/v1/nodes/${node.name}`);
  }
  [commands, nodes] = [[], []];
});

function begin(...args: string[]): RunningCommand {
  const command = new RunningCommand(args, {
    env: { KUBECONFIG: kubeconfig },
    program: [process.execPath, mainScript],
  });
  commands.push(command);
  return command;
}

async function run(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await begin(...args).outcome();
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}

describe('a person with a kubeconfig', () => {
  it('holds a node, whose request then waits, and resumes it', async () => {
    const [{ name } = { name: '' }] = nodes;
    await run('hold', name, '--reason', 'disk being moved');
    expect(await run('clean', '--all')).not.toContain(name);
    const command = begin('clean', '--node', name, '--wait');
    await command.untilSaid(/waits: held: disk being moved/);
    // Told at most every few seconds, later than the command sees the hold itself.
    await nodes[0]?.untilState('held');
    expect(await run('nodes', name)).toMatch(/ held,requested .* disk being moved$/m);
    expect(nodes[0]?.images()).toHaveLength(2);
    await run('resume', name);
    expect(await command.outcome()).toMatchObject({ status: 0, stdout: expect.stringContaining('2 images removed') });
  });

  it('pauses all agents, whose requests then wait, and resumes them', async () => {
    await run('pause', '--namespace', namespace, '--reason', 'incident 4711');
    await nodes[0]?.untilState('paused');
    const command = begin('clean', '--all', '--wait');
    await command.untilSaid(/waits: cleaning is paused on all nodes: incident 4711/);
    expect(await run('resume')).toBe('configmap/nodetender-control resumed\n');
    const { status, stdout, stderr } = await command.outcome();
    expect([status, stdout.match(/2 images removed/g)?.length]).toEqual([0, 2]);
    expect(stderr).toContain('note: the request waits, cleaning is paused by configmap/nodetender-control in');
  });
});
