import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import type { Clients } from './clients.ts';
import { kubernetesComponents } from './components.ts';

const execute = promisify(execFile);
const DEADLINE_MS = 60_000;

/** What `kubectl …` writes to standard output, as the administrator. Rejects where it fails, with what it said. */
export async function kubectl(clients: Clients, ...args: readonly string[]): Promise<string> {
  const path = await clients.kubeconfigFile('kubectl');
  const { stdout } = await execute(kubernetesComponents().kubectl, args, {
    // Its cache of what the server knows goes where everything else of this server is.
    env: { PATH: '/usr/bin:/bin', HOME: clients.folder, KUBECONFIG: path },
    maxBuffer: 64 * 1024 * 1024,
    timeout: DEADLINE_MS,
  });
  return stdout;
}
