import { type PodObject, pods } from './objects.ts';
import type { Scope } from './port.ts';
import { Watched, type WatchedOptions } from './watch.ts';

/** What is kept of a Pod. */
export interface PodView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  /** Every image that the spec names: of containers, init and ephemeral ones, and of volumes; each once, as written. */
  readonly images: readonly string[];
  /** Its deletion, perhaps by an eviction, is under way. */
  readonly terminating: boolean;
}

/** The pods bound to one node. */
export class PodsOfNode extends Watched<PodObject, PodView> {
  constructor(nodeName: string, options: Omit<WatchedOptions<PodObject, PodView>, 'resource' | 'scope' | 'project'>) {
    super({ ...options, resource: pods, scope: podsBoundTo(nodeName), project: viewOfPod });
  }
}

/** Asked for whole, without pages: only so does the API server answer from its index of pods by node. */
export function podsBoundTo(nodeName: string): Scope {
  return { fieldSelector: `spec.nodeName=${nodeName}` };
}

const phases: ReadonlySet<string> = new Set(['Pending', 'Running', 'Succeeded', 'Failed']);
const restartPolicies: ReadonlySet<string> = new Set(['Always', 'OnFailure', 'Never']);

export function viewOfPod({ metadata, spec, status }: PodObject): PodView {
  const { namespace = '', name, uid, deletionTimestamp } = metadata;
  const phase = status?.phase ?? '';
  const restartPolicy = spec?.restartPolicy ?? '';
  return {
    namespace,
    name,
    uid,
    phase: phases.has(phase) ? (phase as PodView['phase']) : 'Unknown',
    // What is not known is taken for what keeps images the longest.
    restartPolicy: restartPolicies.has(restartPolicy) ? (restartPolicy as PodView['restartPolicy']) : 'Always',
    images: imagesOf(spec),
    terminating: deletionTimestamp !== undefined,
  };
}

function imagesOf(spec: PodObject['spec']): string[] {
  const named = [
    ...(spec?.containers ?? []).map(({ image }) => image),
    ...(spec?.initContainers ?? []).map(({ image }) => image),
    ...(spec?.ephemeralContainers ?? []).map(({ image }) => image),
    ...(spec?.volumes ?? []).map(({ image }) => image?.reference),
  ];
  return [...new Set(named.filter((image) => typeof image === 'string' && image !== ''))] as string[];
}
