import type { Clock, Random } from '../clock.ts';
import type { KubernetesPort } from '../cluster/port.ts';
import type { Config } from '../config/load.ts';
import { NodetenderError } from '../errors.ts';

export interface JoinOptions {
  readonly cluster: Config['cluster'];
  /** As the command line names it. */
  readonly kubeconfig: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Joined {
  readonly port: KubernetesPort;
  /** For messages: where the API server is. */
  readonly server: string;
  readonly nodeName: string;
  /** The agent's own. */
  readonly namespace: string;
}

/**
 * The way to the cluster that the configuration and the surroundings speak of; undefined where this host is none's. Sends
 * nothing yet. Throws `usage` and `cluster/no-access` saying what is missing: an agent that belongs to a cluster must not
 * clean as if it did not.
 */
export async function joinCluster(options: JoinOptions): Promise<Joined | undefined> {
  const { cluster, kubeconfig, env, userAgent, clock, random } = options;
  const isPod = (env['KUBERNETES_SERVICE_HOST'] ?? '') !== '';
  const isMember = cluster.enabled === 'auto' ? isPod || kubeconfig !== undefined : cluster.enabled;
  if (!isMember) return undefined;
  const { nodeName } = cluster;
  if (nodeName === undefined) {
    throw new NodetenderError(
      'usage',
      'the agent is in a cluster and does not know on which Node. Give its name as --node-name, cluster.nodeName or NODE_NAME (in a pod from the field spec.nodeName), or set cluster.enabled to false',
    );
  }
  // Only here: HTTP/2 and what comes with it are megabytes that a plain host does without.
  const { connectKubernetes } = await import('../cluster/connect.ts');
  const { port, server, namespace } = await connectKubernetes({ path: kubeconfig, userAgent, clock, random });
  return { port, server, nodeName, namespace: cluster.namespace ?? namespace ?? 'default' };
}
