import { describe, expect, it } from 'vitest';

import { viewOfNode } from '../../../agent/cluster/node.ts';
import { viewOfPod } from '../../../agent/cluster/pods.ts';

const metadata = { name: 'x', uid: 'u', resourceVersion: '1' };

describe('what is kept of a Node', () => {
  it('is what decisions need', () => {
    const view = viewOfNode({
      metadata: {
        ...metadata,
        labels: { pool: 'a' },
        annotations: { 'nodetender.dev/hold': 'disk swap', 'other.example/huge': 'x'.repeat(10_000) },
      },
      spec: { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] },
      status: {
        conditions: [
          { type: 'MemoryPressure', status: 'False' },
          { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
        ],
        nodeInfo: { bootID: 'boot-1', operatingSystem: 'linux' } as never,
      },
    });
    expect(view).toMatchObject({
      unschedulable: true,
      taints: ['node.kubernetes.io/unschedulable'],
      softTaints: [],
      scaleDownDisabled: false,
      ready: true,
      readyChangedAtMs: Date.UTC(2026, 0, 1),
      bootId: 'boot-1',
      operatingSystem: 'linux',
    });
    expect([...view.annotations]).toEqual([['hold', 'disk swap']]);
    expect([...view.labels]).toEqual([['pool', 'a']]);
  });

  it('is complete for a Node that has never reported', () => {
    expect(viewOfNode({ metadata })).toMatchObject({
      unschedulable: false,
      taints: [],
      softTaints: [],
      scaleDownDisabled: false,
      ready: false,
      readyChangedAtMs: undefined,
      conditions: new Map(),
      bootId: '',
      operatingSystem: '',
    });
  });
});

describe('a cordon', () => {
  const cordonOf = (...managers: (string | undefined)[]) => ({
    metadata: {
      ...metadata,
      managedFields: managers.map((manager) => ({
        ...(manager !== undefined && { manager }),
        fieldsV1: { 'f:spec': { 'f:unschedulable': {} } },
      })),
    },
    spec: { unschedulable: true },
  });

  it.each([
    ['that we have written is nobody else’s', cordonOf('nodetender'), false],
    ['that kubectl has written is somebody’s', cordonOf('kubectl-cordon'), true],
    ['that we have written and somebody applies is somebody’s, too', cordonOf('nodetender', 'argocd'), true],
    ['that a writer without a name has written is somebody’s', cordonOf(undefined), true],
    ['of which nothing is recorded is as our own record says', { metadata, spec: { unschedulable: true } }, false],
    ['whose writer the API server has forgotten is, too', cordonOf('ancient-changes'), false],
  ])('%s', (_, node, bySomebody) => {
    expect(viewOfNode(node).cordonedBySomebody).toBe(bySomebody);
  });

  it('is nobody’s where there is none, whoever wrote the other fields of the Node', () => {
    const managedFields = [{ manager: 'kubelet', fieldsV1: { 'f:spec': { 'f:podCIDR': {} }, 'f:status': {} } }];
    expect(viewOfNode({ metadata: { ...metadata, managedFields }, spec: {} }).cordonedBySomebody).toBe(false);
    const spec = { unschedulable: true };
    expect(viewOfNode({ metadata: { ...metadata, managedFields }, spec }).cordonedBySomebody).toBe(false);
  });
});

describe('what is kept of a Pod', () => {
  it('is every image that its spec names, each once', () => {
    const view = viewOfPod({
      metadata: { ...metadata, namespace: 'shop' },
      spec: {
        containers: [
          { name: 'a', image: 'app:1' },
          { name: 'b', image: 'sidecar:2' },
        ],
        initContainers: [
          { name: 'c', image: 'init:3' },
          { name: 'd', image: 'app:1' },
        ],
        ephemeralContainers: [{ name: 'e', image: 'debug:4' }],
        volumes: [
          { name: 'v', image: { reference: 'models:5' } },
          { name: 'w', emptyDir: {} },
        ],
        restartPolicy: 'OnFailure',
      },
      status: { phase: 'Running' },
    });
    expect(view.images).toEqual(['app:1', 'sidecar:2', 'init:3', 'debug:4', 'models:5']);
    expect(view).toMatchObject({ namespace: 'shop', phase: 'Running', restartPolicy: 'OnFailure', terminating: false });
  });

  it('is what keeps images the longest where something is unknown', () => {
    const view = viewOfPod({ metadata, spec: { containers: [], restartPolicy: 'Perhaps' }, status: { phase: 'New' } });
    expect(view).toMatchObject({ phase: 'Unknown', restartPolicy: 'Always', images: [] });
  });

  it('says that its deletion is under way', () => {
    expect(viewOfPod({ metadata: { ...metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }).terminating).toBe(true);
  });
});
