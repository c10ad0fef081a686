import { build } from '../build.ts';
import { type Clock, type Random, systemClock } from '../clock.ts';
import { connectKubernetes } from '../cluster/connect.ts';
import type { ClusterError } from '../cluster/errors.ts';
import type { KubernetesPort } from '../cluster/port.ts';
import type { Rate } from '../cluster/tokenbucket.ts';
import type { ClusterOptions } from './options.ts';

/** A cluster, as a command sees it. */
export interface Cluster {
  readonly port: KubernetesPort;
  /** For messages: where it is. */
  readonly server: string;
  /** Where the agents are, as the command line says it. */
  readonly namespace: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** There is one person where there are a thousand agents; and a thousand nodes are held within 10 s. */
const rate: Rate = { perSecond: 100, burst: 300 };

/** Works on the cluster that the options choose as kubectl would, and ends the connection afterwards. */
export async function withCluster<T>(options: ClusterOptions, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const clock = systemClock;
  const random = Math.random;
  const { port, server } = await connectKubernetes({
    path: options.kubeconfig,
    context: options.context,
    userAgent: `nodetender/${build.version}`,
    clock,
    random,
    rate,
  });
  try {
    return await work({ port, server, namespace: options.namespace, clock, random });
  } finally {
    port.close();
  }
}

/** Waiting and trying again does not help against these. */
export function isHopeless({ code }: ClusterError): boolean {
  return code === 'cluster/forbidden' || code === 'cluster/unauthorized' || code === 'cluster/untrusted';
}
