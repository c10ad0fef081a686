import type { Clock, Random } from '../clock.ts';
import { inCluster, podEnvironment } from './access.ts';
import { KubernetesClient } from './client.ts';
import { fromKubeconfig, type KubeconfigChoice } from './kubeconfig.ts';
import type { KubernetesPort } from './port.ts';
import type { Rate } from './tokenbucket.ts';
import { ClusterTransport } from './transport.ts';

export interface ConnectOptions extends KubeconfigChoice {
  /** `nodetender/1.2.3`. */
  readonly userAgent: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: what one agent among a thousand may ask. */
  readonly rate?: Rate | undefined;
}

export interface ConnectedCluster {
  readonly port: KubernetesPort;
  /** For messages: where it is. */
  readonly server: string;
  /** The pod's own namespace, or the kubeconfig context's. */
  readonly namespace: string | undefined;
}

/**
 * The cluster that a named kubeconfig describes, else the one whose pod we are, else that of the usual kubeconfig. Sends
 * nothing yet. Throws `cluster/no-access` saying what is missing.
 */
export async function connectKubernetes(options: ConnectOptions): Promise<ConnectedCluster> {
  const { clock, path, context } = options;
  const pod = path === undefined && context === undefined ? podEnvironment() : undefined;
  const access = pod === undefined ? await fromKubeconfig(options, clock) : await inCluster(pod, clock);
  const transport = new ClusterTransport({ access, clock });
  return {
    port: new KubernetesClient({ ...options, transport }),
    server: access.server.href,
    namespace: access.namespace,
  };
}
