import { describe, expect, it } from 'vitest';
import type { NodeObject } from '../../../agent/cluster/objects.ts';
import { recordPatch } from '../../../agent/reboot/record.ts';
import { initialState, type State } from '../../../agent/reboot/state.ts';
import {
  conditionsPatch,
  describeRemoval,
  isNothing,
  nodeRemoval,
  removalPatch,
} from '../../../agent/cli/uninstallplan.ts';

const scaleDown = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';
const loadBalancers = 'node.kubernetes.io/exclude-from-external-load-balancers';

interface Parts {
  readonly state?: Partial<State>;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: object;
  readonly conditions?: readonly string[];
  readonly managedFields?: readonly object[];
}

function node({ state, labels, annotations, spec, conditions = [], managedFields }: Parts): NodeObject {
  const record = state === undefined ? undefined : recordPatch({ ...initialState('uid-1', 0), ...state });
  const kept = Object.entries(record?.labels ?? {}).filter(([, value]) => value !== null);
  return {
    metadata: {
      name: 'web-1',
      uid: 'uid-1',
      resourceVersion: '7',
      labels: { pool: 'web', ...labels, ...Object.fromEntries(kept) },
      annotations: { 'example.com/x': 'y', ...annotations, ...record?.annotations },
      ...(managedFields === undefined ? {} : { managedFields }),
    },
    spec,
    status: { conditions: conditions.map((type) => ({ type, status: 'True' })) },
  } as unknown as NodeObject;
}

function wrote(manager: string, fieldsV1: object): object {
  return { manager, fieldsV1 };
}

describe('what of a Node is ours', () => {
  it('is nothing where no agent has been', () => {
    const removal = nodeRemoval(node({ spec: { unschedulable: true }, annotations: { [scaleDown]: 'true' } }));
    expect(isNothing(removal)).toBe(true);
    expect(removal.staysCordoned).toBeUndefined();
  });

  it('are labels and annotations that begin as ours do', () => {
    const removal = nodeRemoval(
      node({ labels: { 'nodetender.dev/state': 'wanted' }, annotations: { 'nodetender.dev/hold': '' } }),
    );
    expect(removal).toMatchObject({ labels: ['nodetender.dev/state'], annotations: ['nodetender.dev/hold'] });
    expect(removalPatch(removal)).toEqual({
      metadata: {
        resourceVersion: '7',
        labels: { 'nodetender.dev/state': null },
        annotations: { 'nodetender.dev/hold': null },
      },
      spec: {},
    });
  });

  it('are the marks that its agent has recorded, and those alone', () => {
    const marked = { labels: { [loadBalancers]: 'true' }, annotations: { [scaleDown]: 'true' } };
    const [soft, hard] = [
      { key: 'soft', effect: 'PreferNoSchedule' },
      { key: 'soft', effect: 'NoSchedule' },
    ];
    const spec = { taints: [soft, hard] };
    const all = nodeRemoval(
      node({
        ...marked,
        spec,
        state: { marks: ['scale-down', 'prefer-no-schedule', 'load-balancers'], softTaint: 'soft' },
      }),
    );
    expect(all.labels).toContain(loadBalancers);
    expect(all.annotations).toContain(scaleDown);
    expect(removalPatch(all)).toMatchObject({ spec: { taints: [hard] } });
    const none = nodeRemoval(node({ ...marked, spec, state: { marks: [] } }));
    expect([none.labels, none.annotations, none.taints]).toEqual([[], ['nodetender.dev/reboot-status'], undefined]);
  });

  it('is a cordon that its agent has recorded, unless somebody else has cordoned it, too', () => {
    const spec = { unschedulable: true };
    const field = { 'f:spec': { 'f:unschedulable': {} } };
    const ours = { state: { cordonedByUs: true }, spec, managedFields: [wrote('nodetender', field)] };
    expect(nodeRemoval(node(ours))).toMatchObject({ uncordon: true, staysCordoned: undefined });
    expect(removalPatch(nodeRemoval(node(ours)))).toMatchObject({ spec: { unschedulable: null } });
    const both = { ...ours, managedFields: [wrote('kubectl-cordon', field)] };
    expect(nodeRemoval(node(both))).toMatchObject({
      uncordon: false,
      staysCordoned: expect.stringMatching(/somebody/),
    });
    const theirs = { state: { cordonedByUs: false }, spec };
    expect(nodeRemoval(node(theirs))).toMatchObject({ uncordon: false, staysCordoned: undefined });
    const uncordonedMeanwhile = { state: { cordonedByUs: true }, spec: {} };
    expect(nodeRemoval(node(uncordonedMeanwhile)).uncordon).toBe(false);
  });

  it('is no cordon of an earlier Node of its name', () => {
    const state = { cordonedByUs: true, nodeUid: 'uid-0', phase: 'draining' } as const;
    expect(nodeRemoval(node({ state, spec: { unschedulable: true } }))).toMatchObject({
      uncordon: false,
      underWay: undefined,
    });
  });

  it('are its conditions, where the API server has not recorded another writer', () => {
    const conditions = ['Ready', 'RebootRequired', 'RebootPossible'];
    const field = { 'f:status': { 'f:conditions': { 'k:{"type":"RebootRequired"}': {} } } };
    const removal = nodeRemoval(node({ conditions, managedFields: [wrote('node-problem-detector', field)] }));
    expect(removal.conditions).toEqual(['RebootPossible']);
    expect(conditionsPatch(removal)).toEqual({
      status: { conditions: [{ type: 'RebootPossible', $patch: 'delete' }] },
    });
    const both = nodeRemoval(node({ conditions, managedFields: [wrote('nodetender', field)] }));
    expect(describeRemoval(both)).toBe('2 conditions');
  });
});

describe('what an agent is in the middle of', () => {
  it.each([
    { state: { phase: 'waiting' }, underWay: false },
    { state: { phase: 'backing-off' }, underWay: false },
    { state: { phase: 'backing-off', cordonedByUs: true }, underWay: true },
    { state: { phase: 'waiting', slot: 'nodetender-default-0' }, underWay: true },
    { state: { phase: 'cordoned' }, underWay: true },
    { state: { phase: 'rebooting' }, underWay: true },
    { state: { phase: 'verifying' }, underWay: true },
  ] as const)('$state: $underWay', ({ state, underWay }) => {
    expect(nodeRemoval(node({ state })).underWay !== undefined).toBe(underWay);
  });

  it('is told by the label where the record cannot be read', () => {
    const annotations = { 'nodetender.dev/reboot-status': '{' };
    const labels = { 'nodetender.dev/state': 'draining' };
    const removal = nodeRemoval(node({ labels, annotations, spec: { unschedulable: true } }));
    expect(removal).toMatchObject({ underWay: 'draining', uncordon: false });
    expect(removal.staysCordoned).toMatch(/cannot be read/);
  });
});
