import type { PodObject } from '../../cluster/objects.ts';

/** What a drain has to know of a Pod. */
export interface DrainPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly controller: Controller | undefined;
  readonly phase: string;
  readonly ready: boolean;
  /** Copy of a static pod: the kubelet's file is what counts, so there is nothing to evict. */
  readonly mirror: boolean;
  readonly emptyDir: boolean;
  /** Without it the node or the cluster would suffer: goes last. */
  readonly critical: boolean;
  /** What it is given to end, as its spec says. */
  readonly graceSeconds: number;
  /** When it should have ended, wall clock of the API server; undefined while its deletion has not begun. */
  readonly endsAtMs: number | undefined;
  /** When that was asked for, by the same clock; undefined also where the API server does not say how much of it was grace. */
  readonly endAskedAtMs: number | undefined;
}

/** The owner that will see to a replacement. */
export interface Controller {
  readonly daemonSet: boolean;
  readonly name: string;
  readonly uid: string;
}

/** system-cluster-critical and above; https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/ */
const criticalPriority = 2_000_000_000;

/** The API server puts it into each Pod that says none. */
const defaultGraceSeconds = 30;

export function drainPodOf({ metadata, spec, status }: PodObject): DrainPod {
  const { namespace = '', name, uid, labels = {}, annotations = {}, deletionTimestamp } = metadata;
  const endsAtMs = Date.parse(deletionTimestamp ?? '');
  const endAskedAtMs = endsAtMs - (metadata.deletionGracePeriodSeconds ?? Number.NaN) * 1000;
  return {
    namespace,
    name,
    uid,
    labels: new Map(Object.entries(labels)),
    controller: controllerOf(metadata.ownerReferences ?? []),
    phase: status?.phase ?? '',
    ready: status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    mirror: annotations['kubernetes.io/config.mirror'] !== undefined,
    emptyDir: spec?.volumes?.some(({ emptyDir }) => emptyDir !== undefined) ?? false,
    critical: (spec?.priority ?? 0) >= criticalPriority,
    graceSeconds: spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds,
    endsAtMs: Number.isNaN(endsAtMs) ? undefined : endsAtMs,
    endAskedAtMs: Number.isNaN(endAskedAtMs) ? undefined : endAskedAtMs,
  };
}

function controllerOf(owners: NonNullable<PodObject['metadata']['ownerReferences']>): Controller | undefined {
  const owner = owners.find(({ controller }) => controller === true);
  if (owner === undefined) return undefined;
  const daemonSet = owner.kind === 'DaemonSet' && owner.apiVersion === 'apps/v1';
  return { daemonSet, name: owner.name, uid: owner.uid };
}

/** `shop/web-0`, as people name it. */
export function podName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

export function isFinished({ phase }: Pick<DrainPod, 'phase'>): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}
