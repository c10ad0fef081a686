import { daemonSets } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { type DrainPod, isFinished, podName } from './pod.ts';
import { daemonSetOf } from './selection.ts';

/** The DaemonSets that there are, asked for in one list, and again when a pod names one that was not looked for yet. */
export class DaemonSets {
  readonly #port: Pick<KubernetesPort, 'list'>;
  readonly #soughtBefore = new Set<string>();
  #there: ReadonlySet<string> = new Set();

  constructor(port: Pick<KubernetesPort, 'list'>) {
    this.#port = port;
  }

  /** `namespace/name` of each, among them all that these pods name. Throws ClusterError. */
  async of(pods: readonly DrainPod[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const sought = new Set(pods.filter((pod) => !isFinished(pod)).map(daemonSetOf));
    sought.delete(undefined);
    if (sought.difference(this.#soughtBefore).size === 0) return this.#there;
    const scope = { metadataOnly: true };
    const listing = await this.#port.list(daemonSets, scope, ({ metadata }) => nameOf(metadata), { signal });
    this.#there = new Set(listing.items);
    for (const name of sought) if (name !== undefined) this.#soughtBefore.add(name);
    return this.#there;
  }
}

function nameOf({ namespace = '', name }: { readonly namespace?: string; readonly name: string }): string {
  return podName({ namespace, name });
}
