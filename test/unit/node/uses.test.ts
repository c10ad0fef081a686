import { describe, expect, it } from 'vitest';
import type { PodView } from '../../../agent/cluster/pods.ts';
import { podUses } from '../../../agent/node/uses.ts';

const web: PodView = {
  namespace: 'shop',
  name: 'web-0',
  uid: 'u-1',
  phase: 'Running',
  restartPolicy: 'Always',
  images: ['registry.example/web:1', 'registry.example/proxy:2'],
  terminating: false,
};

describe('images that pods bound to the node name', () => {
  it('are in use by the pod, each of them', () => {
    const user = { kind: 'pod', pod: { namespace: 'shop', name: 'web-0', uid: 'u-1' } };
    expect(podUses([web])).toEqual([
      { reference: 'registry.example/web:1', user },
      { reference: 'registry.example/proxy:2', user },
    ]);
  });

  it.each<[PodView['phase'], PodView['restartPolicy'], boolean]>([
    ['Pending', 'Never', true],
    ['Running', 'Never', true],
    ['Unknown', 'Never', true],
    ['Succeeded', 'Never', false],
    ['Failed', 'Never', false],
    ['Succeeded', 'OnFailure', false],
    ['Failed', 'OnFailure', true],
    ['Succeeded', 'Always', true],
    ['Failed', 'Always', true],
  ])('of a pod in phase %s with restartPolicy %s: %s', (phase, restartPolicy, isUsed) => {
    expect(podUses([{ ...web, phase, restartPolicy }])).toHaveLength(isUsed ? 2 : 0);
  });

  it('also of a pod that is being deleted: its containers may be started again until it is gone', () => {
    expect(podUses([{ ...web, terminating: true }])).toHaveLength(2);
  });

  it('are left out where they name none, so that they cannot keep everything else', () => {
    const images = ['NO such::Image', '', '../etc', 'registry.example/web:1', `sha256:${'a'.repeat(64)}`];
    expect(podUses([{ ...web, images }]).map(({ reference }) => reference)).toEqual([
      'registry.example/web:1',
      `sha256:${'a'.repeat(64)}`,
    ]);
  });
});
