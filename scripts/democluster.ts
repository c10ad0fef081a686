import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KubernetesServer } from '../test/emulators/kubernetes/server.ts';
import { measuredCost } from '../test/emulators/runtime/garbage-collector.ts';
import { liveThroughPast } from '../test/emulators/runtime/past.ts';
import { fillRealistically } from '../test/emulators/runtime/realistic.ts';
import { RuntimeServer } from '../test/emulators/runtime/server.ts';
import { RuntimeStore } from '../test/emulators/runtime/store.ts';
import { command, deadlineMs, print, type RunningAgent, say, startAgent } from './demostage.ts';

interface DemoNode {
  readonly agent: RunningAgent;
  readonly server: RuntimeServer;
}

const NODES = 5;

/** Five nodes with an agent each on an emulated API server: annotate them and see them clean. `stay`: until Ctrl-C. */
export async function demonstrateCluster(folder: string, stay: boolean): Promise<void> {
  const api = await KubernetesServer.launch();
  const kubeconfig = await api.clients.kubeconfigFile('admin');
  const nodes = await Promise.all(
    Array.from({ length: NODES }, (_, index) => startNode(folder, `node-${index + 1}`, 20 + index, api, kubeconfig)),
  );
  try {
    const unseen = ['--kubeconfig', kubeconfig];
    say(`A cluster of ${NODES} nodes, each with an agent`);
    await command(['nodes'], { lines: 20, unseen });

    say('One node is to be left alone, the others clean now');
    await command(['hold', 'node-4', '--reason', 'moved to another rack'], { lines: 5, unseen });
    await command(['clean', '--all', '--wait'], { lines: 20, unseen });
    await command(['nodes'], { lines: 20, unseen });
    await command(['resume', 'node-4'], { lines: 5, unseen });

    if (stay) {
      say('The cluster stays until Ctrl-C. In another terminal:');
      print(`    export KUBECONFIG=${kubeconfig}\n`);
      print('    kubectl get nodes\n');
      print('    kubectl annotate --overwrite node node-3 nodetender.dev/clean=$(date +%s)\n');
      print('    scripts/nodetender nodes\n');
      await once(process, 'SIGINT');
    }
  } finally {
    await Promise.all(
      nodes.map(async ({ agent, server }) => {
        await agent.stop();
        await server.stop();
      }),
    );
    await api.destroy();
  }
}

/** A Node that is Ready for an hour, with a runtime, images that have a past, and an agent. */
async function startNode(
  folder: string,
  name: string,
  seed: number,
  api: KubernetesServer,
  kubeconfig: string,
): Promise<DemoNode> {
  const directory = join(folder, name);
  await mkdir(directory);
  const store = new RuntimeStore({ cost: measuredCost });
  fillRealistically(store, { images: 60 + seed, seed });
  const server = new RuntimeServer({ store, socketPath: join(directory, 'containerd.sock') });
  await server.start();
  const state = join(directory, 'state');
  await liveThroughPast(store, { directory: state, days: 12, nowMs: Date.now() });
  const config = join(directory, 'nodetender.yaml');
  await writeFile(config, 'http: { address: 127.0.0.1:0 }\n');

  const lastTransitionTime = `${new Date(Date.now() - 3_600_000).toISOString().slice(0, 19)}Z`;
  const ready = { type: 'Ready', status: 'True', reason: 'Demonstration', lastTransitionTime };
  await api.clients.api.create('/api/v1/nodes', { metadata: { name } });
  await api.clients.api.merge(`/api/v1/nodes/${name}/status`, { status: { conditions: [ready] } });

  const membership = ['--kubeconfig', kubeconfig, '--node-name', name];
  const node = ['--runtime-endpoint', server.endpoint, '--state-dir', state, '--config', config];
  const agent = startAgent([...node, ...membership], () => undefined);
  await agent.logged('container runtime');
  await untilIdle(name, api);
  return { agent, server };
}

/** The agent has read what the cluster says of its node and its images, and says so. */
async function untilIdle(name: string, api: KubernetesServer): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (Date.now() < deadline) {
    const { metadata } = (await api.clients.api.get(`/api/v1/nodes/${name}`)) as {
      metadata: { annotations?: Record<string, string> };
    };
    const status = JSON.parse(metadata.annotations?.['nodetender.dev/status'] ?? '{}') as { state?: string };
    if (status.state === 'idle') return;
    await delay(100);
  }
  throw new Error(`the agent of ${name} did not become idle`);
}
