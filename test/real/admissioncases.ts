import type { Api, ApiAnswer, Json } from '../harness/api.ts';

/**
 * What somebody tries by hand who has stolen the token of the agent on `own`, on a cluster whose other node is `other`. Dry
 * runs, so that each try finds the cluster as it was.
 */
export interface Try {
  /** As docs/security.md has it. */
  readonly what: string;
  readonly send: (api: Api) => Promise<ApiAnswer>;
}

const loadBalancers = 'node.kubernetes.io/exclude-from-external-load-balancers';
const scaleDown = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';

/** On both Nodes, put there by an agent. */
export const earlierTaint = 'example.com/earlier';
export const own = 'web-1';
export const other = 'web-2';
export const namespace = 'nodetender';

const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
const imageList = '/apis/eraser.sh/v1/imagelists/imagelist';
const dryRun = '?dryRun=All';
const merge = { contentType: 'application/merge-patch+json' };
const strategic = { contentType: 'application/strategic-merge-patch+json' };

function patch(path: string, body: Json, options = merge): Try['send'] {
  return async (api) => await api.send('PATCH', `${path}${dryRun}`, body, options);
}

function create(path: string, body: Json): Try['send'] {
  return async (api) => await api.send('POST', `${path}${dryRun}`, body);
}

function node(name: string, body: Json): Try['send'] {
  return patch(`/api/v1/nodes/${name}`, body);
}

function annotation(key: string, value: string | null): Json {
  return { metadata: { annotations: { [key]: value } } };
}

function label(key: string, value: string | null): Json {
  return { metadata: { labels: { [key]: value } } };
}

function condition(type: string): Json {
  return { status: { conditions: [{ type, status: 'True', reason: 'Test', message: '' }] } };
}

function event(reportingInstance: string, about: string, reason = 'RebootDone'): Try['send'] {
  return create('/apis/events.k8s.io/v1/namespaces/default/events', {
    metadata: { name: 'test', namespace: 'default' },
    eventTime: '2026-01-02T03:04:05.000000Z',
    reportingController: 'nodetender.dev/agent',
    reportingInstance,
    type: 'Normal',
    reason,
    action: 'Reboot',
    note: 'x',
    regarding: { apiVersion: 'v1', kind: 'Node', name: about, uid: 'x' },
  });
}

function eviction(pod: string): Try['send'] {
  return create(`/api/v1/namespaces/default/pods/${pod}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: pod, namespace: 'default' },
  });
}

/** Leases that are there: of the pool default, 0 is held by `other`, 1 by `own`, and 2 is free. */
const slot = (index: number): string => `${leases}/nodetender-default-${index}`;

function owner(kind: string, name: string): Json {
  return { metadata: { ownerReferences: [{ apiVersion: 'v1', kind, name, uid: '1' }] } };
}

function taints(...list: readonly (readonly [string, string])[]): Json {
  return { spec: { taints: list.map(([key, effect]) => ({ key, effect })) } };
}

/** Everything that RBAC allows to an agent, tried on what is another's. */
export const against: readonly Try[] = [
  {
    what: 'annotate another Node, `nodetender.dev/reboot=now` or any key',
    send: node(other, annotation('nodetender.dev/reboot', 'now')),
  },
  { what: 'label another Node', send: node(other, label('nodetender.dev/state', 'waiting')) },
  { what: 'cordon another Node', send: node(other, { spec: { unschedulable: true } }) },
  { what: 'taint another Node', send: node(other, taints(['example.com/rebooting', 'PreferNoSchedule'])) },
  {
    what: 'set a condition of another Node',
    send: patch(`/api/v1/nodes/${other}/status`, condition('RebootRequired'), strategic),
  },
  { what: 'take the slot that another node holds', send: patch(slot(0), { spec: { holderIdentity: own } }) },
  { what: 'free the slot that another node holds', send: patch(slot(0), { spec: { holderIdentity: '' } }) },
  {
    what: 'change anything of a slot that another node holds',
    send: patch(slot(0), annotation('nodetender.dev/next', '{}')),
  },
  { what: 'give a free slot to another node', send: patch(slot(2), { spec: { holderIdentity: other } }) },
  { what: 'make another Node the owner of a slot', send: patch(slot(2), owner('Node', other)) },
  {
    what: 'create a slot in the name of another node',
    send: create(leases, { metadata: { name: 'nodetender-default-3' }, spec: { holderIdentity: other } }),
  },
  {
    what: 'write a Lease of somebody else in the same namespace, such as a leader election',
    send: patch(`${leases}/leader`, { spec: { holderIdentity: own } }),
  },
  {
    what: 'delete a slot (where owners are guarded, agents may)',
    send: async (api) => await api.send('DELETE', `${slot(0)}${dryRun}`),
  },
  { what: 'report an Event as the agent of another node', send: event(other, other) },
  { what: 'report an Event about another Node', send: event(own, other) },
  {
    what: 'change which images an ImageList removes, on every node',
    send: patch(imageList, { spec: { images: ['*'] } }),
  },
];

/** What is beyond an agent on its own node. */
export const beyond: readonly Try[] = [
  {
    what: 'put any other label on its own Node, such as a role',
    send: node(own, label('node-role.kubernetes.io/control-plane', '')),
  },
  { what: 'give a label of `reboot.marks` another value', send: node(own, label('example.com/rebooting', 'perhaps')) },
  { what: 'take any other label off its own Node', send: node(own, label('pool', null)) },
  { what: 'put any other annotation on its own Node', send: node(own, annotation('example.com/any', 'x')) },
  { what: 'vote yes in the name of a hook', send: node(own, annotation('example.com/ready', 'true')) },
  {
    what: 'add any other taint to its own Node',
    send: node(own, taints(['dedicated', 'NoSchedule'], ['node.kubernetes.io/out-of-service', 'NoExecute'])),
  },
  {
    what: 'take a taint NoSchedule or NoExecute off its own Node',
    send: node(own, taints([earlierTaint, 'PreferNoSchedule'])),
  },
  { what: 'set `spec.providerID` of its own Node', send: node(own, { spec: { providerID: 'x://y' } }) },
  { what: 'add a finalizer to its own Node', send: node(own, { metadata: { finalizers: ['example.com/x'] } }) },
  {
    what: 'make an object the owner of its own Node, which garbage collection then deletes',
    send: node(own, owner('Node', other)),
  },
  {
    what: 'set any other condition of its own Node, such as Ready',
    send: patch(`/api/v1/nodes/${own}/status`, condition('Ready'), strategic),
  },
  {
    what: 'change the capacity of its own Node',
    send: patch(`/api/v1/nodes/${own}/status`, { status: { capacity: { cpu: '1k' } } }),
  },
  { what: 'label its own Node by way of its status', send: patch(`/api/v1/nodes/${own}/status`, label('x', 'y')) },
  { what: 'make a Lease of its own that a Pod owns', send: patch(slot(1), owner('Pod', 'x')) },
  { what: 'put a finalizer on a Lease', send: patch(slot(1), { metadata: { finalizers: ['example.com/x'] } }) },
];

/** What the token is for. */
export const granted: readonly Try[] = [
  { what: 'write its own annotations on its own Node', send: node(own, annotation('nodetender.dev/status', '{}')) },
  { what: 'write the state of its reboot', send: node(own, label('nodetender.dev/state', 'waiting')) },
  { what: 'cordon its own Node', send: node(own, { spec: { unschedulable: true } }) },
  {
    what: 'put on and take off what `reboot.marks` names',
    send: node(own, {
      ...taints(['dedicated', 'NoSchedule'], ['example.com/rebooting', 'PreferNoSchedule']),
      metadata: {
        labels: { 'example.com/rebooting': 'true', [loadBalancers]: 'true' },
        annotations: { [scaleDown]: 'true' },
      },
    }),
  },
  {
    what: 'take off the taint PreferNoSchedule that its record names, which it writes itself',
    send: node(own, taints(['dedicated', 'NoSchedule'])),
  },
  { what: 'take off the votes of hooks', send: node(own, annotation('example.com/voted', null)) },
  {
    what: 'set the conditions RebootRequired and RebootPossible of its own Node',
    send: patch(`/api/v1/nodes/${own}/status`, condition('RebootRequired'), strategic),
  },
  {
    what: 'take a free slot for itself',
    send: patch(slot(2), { ...owner('Node', own), spec: { holderIdentity: own } }),
  },
  {
    what: 'create a slot of any pool for itself',
    send: create(leases, {
      metadata: {
        name: 'nodetender-gpu-12',
        labels: { 'nodetender.dev/pool': 'gpu' },
        ...(owner('Node', own)['metadata'] as Json),
      },
      spec: { holderIdentity: own },
    }),
  },
  {
    what: 'free its own slot, with a hint to the next',
    send: patch(slot(1), {
      metadata: { ownerReferences: null, annotations: { 'nodetender.dev/next': '{}' } },
      spec: { holderIdentity: '' },
    }),
  },
  {
    what: 'change a slot that nobody holds: a false hint costs time',
    send: patch(slot(2), annotation('nodetender.dev/next', '{}')),
  },
  {
    what: 'take over the Lease of whoever sums up ImageLists',
    send: patch(`${leases}/nodetender-imagelist`, { spec: { holderIdentity: own } }),
  },
  { what: 'report an Event about its own Node', send: event(own, own) },
  { what: 'report that another Node holds a slot for too long', send: event(own, other, 'RebootSlotHeld') },
  {
    what: 'write the status of an ImageList: false counts',
    send: patch(`${imageList}/status`, {
      status: { success: 1, failed: 0, skipped: 0, timestamp: '2026-01-02T03:04:05Z' },
    }),
  },
  {
    what: 'write our annotation of an ImageList: a run begun, or called done',
    send: patch(imageList, annotation('nodetender.dev/run', '{}')),
  },
  { what: 'evict a pod of its own node', send: eviction('here') },
];

export const evictElsewhere: Try = { what: 'evict a pod of another node', send: eviction('there') };

/** What was put on a Node while reboots were on. */
export const leftOver: Json = {
  metadata: { labels: { [loadBalancers]: 'true' }, annotations: { [scaleDown]: 'true' } },
  spec: { unschedulable: true },
};

/** Where reboots are off: nothing more is put on or evicted, and what is left over comes off. */
export const refusedWhileOff: readonly Try[] = [
  { what: 'cordon its own Node', send: node(own, { spec: { unschedulable: true } }) },
  { what: 'keep load balancers away', send: node(own, label(loadBalancers, 'true')) },
  { what: 'put on a label of `labelsBefore`', send: node(own, label('example.com/rebooting', 'true')) },
  { what: 'evict a pod of its own node', send: eviction('here') },
];
export const grantedWhileOff: readonly Try[] = [
  {
    what: 'take back what is left over',
    send: node(own, {
      metadata: {
        labels: { 'example.com/rebooting': 'false', [loadBalancers]: null },
        annotations: { [scaleDown]: null },
      },
      spec: { unschedulable: null },
    }),
  },
];
