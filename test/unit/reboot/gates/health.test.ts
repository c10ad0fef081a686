import { describe, expect, it } from 'vitest';
import { parseLabelSelector } from '../../../../agent/node/selectors.ts';
import { daemonSetsNotReady, podsNotWell, queriesNotWell } from '../../../../agent/reboot/gates/health.ts';
import { pod } from './pod.ts';

const storage = parseLabelSelector('app=storage');
const value = (number: number) => [{ labels: new Map<string, string>(), value: number }];

describe('the health of pods after a reboot', () => {
  const agent = pod('agent', {}, { daemonSet: 'shop/agents', ready: false });
  const osd = pod('osd', { app: 'storage' }, { ready: false });
  const web = pod('web', { app: 'web' }, { ready: false });

  it('asks for those of DaemonSets and for selected ones', () => {
    expect(podsNotWell({ daemonSetPods: true, pods: [storage] }, [agent, osd, web])).toEqual([
      { gate: 'daemonset-pods', reason: 'not Ready: shop/agent' },
      { gate: 'pods', reason: 'not Ready: shop/osd' },
    ]);
  });

  it('can leave those of DaemonSets out', () => {
    expect(podsNotWell({ daemonSetPods: false, pods: [] }, [agent, osd])).toEqual([]);
    expect(podsNotWell({ daemonSetPods: false, pods: [] }, undefined)).toEqual([]);
  });

  it('leaves out DaemonSets that were not Ready before the reboot, and no selected pod', () => {
    const gpu = { ...osd, name: 'gpu', daemonSet: 'shop/gpu' };
    const rules = { daemonSetPods: true, pods: [], notReadyBefore: ['shop/agents'] };
    expect(podsNotWell(rules, [agent, gpu])).toEqual([{ gate: 'daemonset-pods', reason: 'not Ready: shop/gpu' }]);
    const selected = { ...rules, pods: [storage], notReadyBefore: ['shop/agents', 'shop/gpu'] };
    expect(podsNotWell(selected, [agent, gpu])).toEqual([{ gate: 'pods', reason: 'not Ready: shop/gpu' }]);
  });

  it('knows of no more DaemonSets that are not Ready than a record has room for, each once', () => {
    expect(daemonSetsNotReady([osd, { ...agent, ready: true }, { ...agent, terminating: true }])).toBeUndefined();
    expect(daemonSetsNotReady([agent, { ...agent, name: 'second' }, osd])).toEqual(['shop/agents']);
    const many = Array.from({ length: 12 }, (_, index) => ({ ...agent, daemonSet: `shop/${index}` }));
    expect(daemonSetsNotReady(many)).toHaveLength(10);
  });

  it('is good when they are Ready, end, or have ended', () => {
    const pods = [
      { ...agent, ready: true },
      { ...agent, terminating: true },
      { ...osd, phase: 'Succeeded' },
    ];
    expect(podsNotWell({ daemonSetPods: true, pods: [storage] }, pods)).toEqual([]);
  });

  it('names a pod once that is both', () => {
    const both = { ...osd, daemonSet: 'shop/osds' };
    expect(podsNotWell({ daemonSetPods: true, pods: [storage] }, [both]).map(({ gate }) => gate)).toEqual([
      'daemonset-pods',
    ]);
  });

  it('is not good when the pods are not known', () => {
    expect(podsNotWell({ daemonSetPods: true, pods: [] }, undefined)).toHaveLength(1);
  });
});

describe('the health by queries', () => {
  it('needs a value from each, and none that is 0 or no number', () => {
    expect(queriesNotWell([value(1), [...value(3), ...value(-1)]])).toEqual([]);
    expect(queriesNotWell([value(1), [], [...value(2), ...value(0)], value(Number.NaN)])).toEqual([
      { gate: 'prometheus', reason: 'health.queries[1] gives no value' },
      { gate: 'prometheus', reason: 'health.queries[2] gives 0' },
      { gate: 'prometheus', reason: 'health.queries[3] gives NaN' },
    ]);
  });
});
