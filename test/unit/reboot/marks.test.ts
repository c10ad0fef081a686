import { describe, expect, it } from 'vitest';
import { marksOn, marksPatch } from '../../../agent/reboot/marks.ts';
import type { MarkedNode } from '../../../agent/reboot/marks.ts';
import { marks } from '../../../agent/reboot/state.ts';

const KEY = 'example.com/reboot';
const foreign = { key: 'example.com/gpu', value: 'yes', effect: 'NoSchedule' };
const ours = { key: KEY, effect: 'PreferNoSchedule' };
const BALANCERS = 'node.kubernetes.io/exclude-from-external-load-balancers';
const SCALE_DOWN = 'cluster-autoscaler.kubernetes.io/scale-down-disabled';
const bare: MarkedNode = { taints: [foreign], labels: new Map(), annotations: new Map() };
const marked: MarkedNode = {
  taints: [ours, foreign],
  labels: new Map([[BALANCERS, '']]),
  annotations: new Map([[SCALE_DOWN, 'true']]),
};

describe('the marks of a node', () => {
  it('are seen, whoever put them there', () => {
    expect(marksOn(bare, KEY)).toEqual([]);
    expect(marksOn(marked, KEY)).toEqual(marks);
    expect(marksOn({ ...bare, taints: [{ ...ours, effect: 'NoSchedule' }] }, KEY)).toEqual([]);
    expect(marksOn({ ...bare, annotations: new Map([[SCALE_DOWN, 'false']]) }, KEY)).toEqual([]);
  });

  it('are put on beside what is there', () => {
    expect(marksPatch(bare, { add: marks, remove: [] }, KEY)).toEqual({
      taints: [foreign, ours],
      labels: { [BALANCERS]: 'true' },
      annotations: { [SCALE_DOWN]: 'true' },
    });
  });

  it('are taken off, and nothing else', () => {
    expect(marksPatch(marked, { add: [], remove: marks }, KEY)).toEqual({
      taints: [foreign],
      labels: { [BALANCERS]: null },
      annotations: { [SCALE_DOWN]: null },
    });
  });

  it('change nothing where they are so already', () => {
    const nothing = { taints: undefined, labels: {}, annotations: {} };
    expect(marksPatch(marked, { add: marks, remove: [] }, KEY)).toEqual(nothing);
    expect(marksPatch(bare, { add: [], remove: marks }, KEY)).toEqual(nothing);
  });

  it('have no taint without a key for it', () => {
    expect(marksPatch(bare, { add: ['prefer-no-schedule'], remove: [] }, undefined).taints).toBeUndefined();
    expect(marksOn(marked, undefined)).not.toContain('prefer-no-schedule');
  });
});
