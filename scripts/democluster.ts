import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { KubernetesServer } from '../test/emulators/kubernetes/server.ts';
import { DemoHost } from './demohost.ts';
import { demonstrateRoll } from './demoroll.ts';
import { command, deadlineMs, print, say } from './demostage.ts';

const NODES = 5;

/**
 * Five nodes with an agent each on an emulated API server: annotate them and see them clean, update them and see them reboot in turn.
 * `stay`: until Ctrl-C.
 */
export async function demonstrateCluster(folder: string, stay: boolean): Promise<void> {
  const api = await KubernetesServer.launch();
  const kubeconfig = await api.clients.kubeconfigFile('admin');
  for (const name of ['nodetender', 'shop']) await api.clients.api.create('/api/v1/namespaces', { metadata: { name } });
  const hosts = await Promise.all(
    Array.from({ length: NODES }, (_, index) =>
      DemoHost.start({ folder, name: `node-${index + 1}`, seed: 20 + index, api, kubeconfig }),
    ),
  );
  try {
    await Promise.all(hosts.map(({ name }) => untilIdle(name, api)));
    const unseen = ['--kubeconfig', kubeconfig];
    say(`A cluster of ${NODES} nodes, each with an agent`);
    await command(['nodes'], { lines: 20, unseen });

    say('One node is to be left alone, the others clean now');
    await command(['hold', 'node-4', '--reason', 'moved to another rack'], { lines: 5, unseen });
    await command(['clean', '--all', '--wait'], { lines: 20, unseen });
    await command(['nodes'], { lines: 20, unseen });
    await command(['resume', 'node-4'], { lines: 5, unseen });

    await demonstrateRoll(hosts, api, unseen);

    if (stay) {
      say('The cluster stays until Ctrl-C. In another terminal:');
      print(`    export KUBECONFIG=${kubeconfig}\n`);
      print('    kubectl get nodes -L nodetender.dev/state\n');
      print('    kubectl annotate --overwrite node node-3 nodetender.dev/clean=$(date +%s)\n');
      print('    scripts/nodetender reboot node-2 --wait\n');
      print('    scripts/nodetender nodes\n');
      await once(process, 'SIGINT');
    }
  } finally {
    await Promise.all(hosts.map((host) => host.stop()));
    await api.destroy();
  }
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
