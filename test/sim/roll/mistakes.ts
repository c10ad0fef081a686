import { annotationPrefix, nodeAnnotations } from '../../../agent/cluster/names.ts';
import { leases, type NodeObject, nodes, pods } from '../../../agent/cluster/objects.ts';
import type { KubernetesObject, KubernetesPort, Patch, Resource } from '../../../agent/cluster/port.ts';
import type { Distortion } from './machine.ts';
import type { Invariant } from './referee.ts';
import type { WorldKind } from './world.ts';

/** A mistake planted into every agent of a world, which the simulation must find by the invariant that it breaks. */
export interface Mistake {
  readonly name: string;
  readonly breaks: Invariant;
  /** Where it shows soon. */
  readonly kind?: Partial<WorldKind>;
  readonly distortion: Distortion;
}

export const mistakes: readonly Mistake[] = [
  {
    name: 'does not see what others hold',
    breaks: 'budget',
    kind: { hasOwnPools: false },
    distortion: {
      port: (port, { name }) => {
        const blind = seeing(port, leases, (lease) => withoutOthers(lease, name));
        return {
          ...port,
          list: async (...call) => await blind.list(...call),
          watch: (...call) => blind.watch(...call),
        };
      },
    },
  },
  {
    name: 'writes Leases without a condition, and takes held ones for free',
    breaks: 'lease',
    distortion: {
      port: (port, { name }) =>
        writing(
          seeing(port, leases, (lease) => withoutOthers(lease, name)),
          leases,
          ({ body, ...patch }) => ({ ...patch, body: unconditional(body) }),
        ),
    },
  },
  {
    name: 'takes every cordon for its own',
    breaks: 'cordon',
    distortion: { port: (port) => writing(port, nodes, withEveryCordon) },
  },
  {
    name: 'takes its own start for that of the host',
    breaks: 'proof',
    distortion: {
      host: (host, { name, aliveSinceMs = 0 }) => ({
        ...host,
        boot: async () => ({ ...(await host.boot()), bootId: `${name} since ${aliveSinceMs}` }),
      }),
    },
  },
  {
    name: 'takes the kubelet for well as soon as it is there itself',
    breaks: 'health',
    distortion: {
      port: (port, { host }) => seeing(port, nodes, (node) => ready(node, host.boot.bootId)),
    },
  },
  {
    name: 'cordons before it says so',
    breaks: 'record',
    distortion: { port: (port) => writing(port, nodes, withoutRecord) },
  },
  {
    name: 'sees no pods',
    breaks: 'order',
    distortion: { port: (port) => ({ ...port, ...withoutPods(port) }) },
  },
  {
    name: 'takes its slot for granted at the point of no return',
    breaks: 'order',
    distortion: {
      port: (port) => ({
        ...port,
        patch: async (resource, target, patch, options) =>
          resource.plural === leases.plural && isConfirmation(patch.body)
            ? await port.get(resource, target, options)
            : await port.patch(resource, target, patch, options),
      }),
    },
  },
  {
    name: 'is deaf to a hold',
    breaks: 'word',
    kind: { isOneBlocked: true },
    distortion: { port: (port) => seeing(port, nodes, (node) => without(node, nodeAnnotations.hold)) },
  },
  {
    name: 'keeps to itself that it wants a reboot',
    breaks: 'visible',
    distortion: {
      port: (port) => ({
        ...port,
        patch: async (resource, target, patch, options) =>
          patch.subresource === 'status'
            ? await port.get(resource, target, options)
            : await port.patch(resource, target, patch, options),
      }),
    },
  },
  {
    name: 'throws what nobody catches by name',
    breaks: 'sane',
    distortion: {
      port: (port) => ({
        ...port,
        evict: async () => {
          throw new TypeError('undefined is not a pod');
        },
      }),
    },
  },
  {
    name: 'asks for everything a hundred times',
    breaks: 'sane',
    distortion: {
      port: (port) => ({
        ...port,
        list: async (...call) => {
          await Promise.all(Array.from({ length: 100 }, () => port.list(call[0], call[1], () => undefined)));
          return await port.list(...call);
        },
      }),
    },
  },
  {
    name: 'forgets to uncordon',
    breaks: 'end',
    distortion: { port: (port) => writing(port, nodes, withoutUncordon) },
  },
];

type See = <T extends KubernetesObject>(object: T) => T;

/** A port through which the objects of one resource look different. */
function seeing(port: KubernetesPort, { plural }: Resource, see: See): KubernetesPort {
  return {
    ...port,
    get: async (resource, ...call) => {
      const object = await port.get(resource, ...call);
      return resource.plural === plural ? see(object) : object;
    },
    patch: async (resource, ...call) => {
      const object = await port.patch(resource, ...call);
      return resource.plural === plural ? see(object) : object;
    },
    list: async (resource, scope, project, options) =>
      await port.list(resource, scope, (object) => project(resource.plural === plural ? see(object) : object), options),
    async *watch(resource, ...call) {
      for await (const event of port.watch(resource, ...call)) {
        yield resource.plural === plural && 'object' in event ? { ...event, object: see(event.object) } : event;
      }
    },
  };
}

function writing(port: KubernetesPort, { plural }: Resource, change: (patch: Patch) => Patch): KubernetesPort {
  return {
    ...port,
    patch: async (resource, target, patch, options) =>
      await port.patch(resource, target, resource.plural === plural ? change(patch) : patch, options),
  };
}

function withoutPods(port: KubernetesPort): Pick<KubernetesPort, 'list'> {
  return {
    list: async (resource, ...call) => {
      const listing = await port.list(resource, ...call);
      return resource.plural === pods.plural ? { ...listing, items: [] } : listing;
    },
  };
}

interface Body {
  readonly metadata?: Record<string, unknown>;
  readonly spec?: Record<string, unknown>;
}

function unconditional(body: Body): Body {
  return { ...body, metadata: { ...body.metadata, resourceVersion: undefined } };
}

/** The cordon without the words that belong to it. */
function withoutRecord(patch: Patch): Patch {
  const { metadata, spec }: Body = patch.body;
  if (spec?.['unschedulable'] !== true) return patch;
  return { ...patch, body: { metadata: { resourceVersion: metadata?.['resourceVersion'] }, spec } };
}

function withoutUncordon(patch: Patch): Patch {
  const { metadata, spec = {} }: Body = patch.body;
  return spec['unschedulable'] === null ? { ...patch, body: { metadata } } : patch;
}

/** Whoever reads the record, as the agent does after the reboot, learns from it that the cordon is its own. */
function withEveryCordon(patch: Patch): Patch {
  const body = JSON.stringify(patch.body).replaceAll(
    String.raw`\"cordonedByUs\":false`,
    String.raw`\"cordonedByUs\":true`,
  );
  return body.includes('"nodetender.dev/state":null') ? patch : { ...patch, body: JSON.parse(body) as object };
}

/** Nothing but the time of renewal. */
function isConfirmation({ spec = {} }: Body): boolean {
  return Object.keys(spec).join() === 'renewTime';
}

function withoutOthers<T extends KubernetesObject>(object: T, name: string): T {
  const { spec }: { readonly spec?: { readonly holderIdentity?: string } } = object as object;
  return spec?.holderIdentity === name ? object : { ...object, spec: { holderIdentity: '' } };
}

function ready<T extends KubernetesObject>(object: T, bootID: string): T {
  const { status }: Partial<NodeObject> = object as object;
  const conditions = [
    ...(status?.conditions ?? []).filter(({ type }) => type !== 'Ready'),
    { type: 'Ready', status: 'True' },
  ];
  return { ...object, status: { ...status, conditions, nodeInfo: { ...status?.nodeInfo, bootID } } };
}

function without<T extends KubernetesObject>(object: T, annotation: string): T {
  const { [annotationPrefix + annotation]: _hidden, ...annotations } = object.metadata.annotations ?? {};
  return { ...object, metadata: { ...object.metadata, annotations } };
}
