import type { Api } from './api.ts';
import { eventually } from './eventually.ts';

/** Pods of a real kubelet start within seconds, but on a busy machine. */
const READY_DEADLINE_MS = 120_000;

export interface WorkloadOptions {
  readonly replicas: number;
  readonly image?: string;
}

/** A ReplicaSet in `default` with a budget that lets one pod of it be missing. Resolves when all run. */
export async function addWorkload(api: Api, name: string, options: WorkloadOptions): Promise<void> {
  const { replicas, image = 'registry.example/app:1' } = options;
  const labels = { app: name };
  await api.create('/apis/policy/v1/namespaces/default/poddisruptionbudgets', {
    metadata: { name },
    spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
  });
  await api.create('/apis/apps/v1/namespaces/default/replicasets', {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image }] } },
    },
  });
  const allRun = async (): Promise<boolean> => (await readyReplicas(api, name)) === replicas;
  try {
    await eventually(`${name} runs`, allRun, READY_DEADLINE_MS);
  } catch (error) {
    throw new Error(`${name} does not run: ${await podsAsTheyAre(api, name)}`, { cause: error });
  }
}

/** Each pod with its node and its phase, and what its containers or the scheduler say. */
async function podsAsTheyAre(api: Api, name: string): Promise<string> {
  const { items } = (await api.get(`/api/v1/namespaces/default/pods?labelSelector=app%3D${name}`)) as unknown as {
    items: PodAsItIs[];
  };
  const lines = items.map(({ metadata, spec, status }) => {
    const said = [
      ...(status.containerStatuses ?? []).map(({ state }) => state.waiting?.message ?? state.waiting?.reason),
      ...(status.conditions ?? []).map(({ message }) => message),
    ].filter((text) => text !== undefined && text !== '');
    return `${metadata.name} on ${spec.nodeName ?? 'no node'} is ${status.phase}: ${said.join('; ')}`;
  });
  return lines.join(', ') || 'it has no pods';
}

interface PodAsItIs {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly message?: string }[];
    readonly containerStatuses?: readonly {
      readonly state: { readonly waiting?: { readonly reason: string; readonly message?: string } };
    }[];
  };
}

export async function readyReplicas(api: Api, name: string): Promise<number> {
  const { status } = (await api.get(`/apis/apps/v1/namespaces/default/replicasets/${name}`)) as {
    status?: { readyReplicas?: number };
  };
  return status?.readyReplicas ?? 0;
}
