import { isNodetenderError } from '../../../agent/errors.ts';
import { configMaps, nodes, type PodObject, pods } from '../../../agent/cluster/objects.ts';
import type { KubernetesObject, KubernetesPort, Resource, Scope } from '../../../agent/cluster/port.ts';
import type { Change } from '../../../agent/cluster/watch.ts';

/** An API server that the contract is tried on. */
export interface KubernetesUnderTest {
  /** An administrator's. */
  readonly port: KubernetesPort;
  /** Of somebody who may get and list nodes and nothing else. */
  readonly limited: KubernetesPort;
  /** Makes every resourceVersion given out so far too old. */
  forgetHistory(): Promise<void>;
  dispose(): Promise<void>;
}

export const namespace = 'default';
export const budgets: Resource<KubernetesObject & { readonly status?: object; readonly spec?: object }> = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  namespaced: true,
};

/** The cluster of a suite, and objects to try things on. */
export class KubernetesSetting {
  #cluster: KubernetesUnderTest | undefined;
  #counter = 0;

  open(cluster: KubernetesUnderTest): void {
    this.#cluster = cluster;
  }

  get cluster(): KubernetesUnderTest {
    if (this.#cluster === undefined) throw new Error('the cluster was not started');
    return this.#cluster;
  }

  /** An administrator's. */
  get port(): KubernetesPort {
    return this.cluster.port;
  }

  readonly unique = (prefix: string): string => {
    this.#counter += 1;
    return `${prefix}-${this.#counter}`;
  };

  readonly configMap = async (
    labels: Record<string, string> = {},
    name = this.unique('cm'),
  ): Promise<KubernetesObject> => {
    return await this.port.create(configMaps, namespace, { metadata: { name, labels }, data: { a: '1', b: '2' } });
  };

  readonly node = async (name = this.unique('node')): Promise<KubernetesObject> => {
    return await this.port.create(nodes, undefined, { metadata: { name } });
  };

  readonly runningPod = async (nodeName: string, labels: Record<string, string> = {}): Promise<PodObject> => {
    const name = this.unique('pod');
    await this.port.create(pods, namespace, {
      metadata: { name, labels },
      spec: { nodeName, containers: [{ name: 'app', image: 'registry.example/app:1' }] },
    });
    const conditions = [{ type: 'Ready', status: 'True' }];
    return await this.port.patch(
      pods,
      { namespace, name },
      { type: 'strategic', body: { status: { phase: 'Running', conditions } }, subresource: 'status' },
    );
  };

  readonly namesIn = async (resource: Resource, scope: Scope): Promise<string[]> => {
    return [...(await this.port.list(resource, scope, ({ metadata }) => metadata.name)).items].sort();
  };

  readonly versionOf = async (resource: Resource, scope: Scope): Promise<string> => {
    return (await this.port.list(resource, scope, () => undefined)).resourceVersion;
  };
}

/** The first `count` changes after a resourceVersion. */
export async function collect(
  port: KubernetesPort,
  scope: Scope,
  resourceVersion: string,
  count: number,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of port.watch(configMaps, scope, { resourceVersion, timeoutSeconds: 60 })) {
    if ('object' in event) seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === count) break;
  }
  return seen;
}

export function describeChange({ type, key }: Change<unknown>): string {
  return `${type} ${key}`;
}

export function codeOf(error: unknown): string {
  return isNodetenderError(error) ? error.code : String(error);
}
