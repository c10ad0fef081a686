import { systemClock } from '../../agent/clock.ts';
import { connectKubernetes } from '../../agent/cluster/connect.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import type { Clients, Identity } from './clients.ts';

/** The agent's own client, as `name` says it in a kubeconfig; the administrator's when no user is given. */
export async function agentPort(clients: Clients, name: string, user?: Identity): Promise<KubernetesPort> {
  const path = await clients.kubeconfigFile(name, user);
  const options = { path, userAgent: 'nodetender/test', clock: systemClock, random: Math.random };
  return (await connectKubernetes(options)).port;
}
