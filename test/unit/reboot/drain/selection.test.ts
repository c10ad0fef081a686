import { describe, expect, it } from 'vitest';

import type { DrainOptions } from '../../../../agent/reboot/drain/options.ts';
import { type DrainPod, drainPodOf } from '../../../../agent/reboot/drain/pod.ts';
import { type Choice, choose, select, skipsAtMs } from '../../../../agent/reboot/drain/selection.ts';
import { drainPod } from './pods.ts';

const nowMs = Date.UTC(2026, 0, 1);
const daemon = { daemonSet: true, name: 'agents', uid: 'uid-agents' };
const orphan = { daemonSet: true, name: 'gone', uid: 'uid-gone' };
type Options = Pick<DrainOptions, 'evictEmptyDir' | 'evictUnmanaged' | 'skipTerminatingAfterSeconds'>;
const everything: Options = { evictEmptyDir: true, evictUnmanaged: true, skipTerminatingAfterSeconds: undefined };
const nothing = { ...everything, evictEmptyDir: false, evictUnmanaged: false };

function chosen(details: Partial<DrainPod>, options = everything): Choice {
  return choose(drainPod('web-0', details), { options, daemonSets: new Set(['shop/agents']), nowMs });
}

const leave = (why: string): object => ({ do: 'leave', why });
const refuse = (why: string): object => ({ do: 'refuse', why });
const evict = (warning?: string): object => (warning === undefined ? { do: 'evict' } : { do: 'evict', warning });

describe('the choice of pods that go', () => {
  it.each([
    ['a pod that its controller makes again', {}, evict(), evict()],
    ['a pod that nobody makes again', { controller: undefined }, evict('unmanaged'), refuse('unmanaged')],
    ['a pod with data', { emptyDir: true }, evict('empty-dir'), refuse('empty-dir')],
    ['a finished pod with data', { emptyDir: true, phase: 'Succeeded', controller: undefined }, evict(), evict()],
    ['a failed pod', { controller: undefined, phase: 'Failed' }, evict(), evict()],
    ['a mirror', { mirror: true, controller: undefined, emptyDir: true }, leave('mirror'), leave('mirror')],
    ['a pod of a DaemonSet', { controller: daemon, emptyDir: true }, leave('daemonset'), leave('daemonset')],
    ['a finished pod of a DaemonSet', { controller: daemon, phase: 'Failed' }, evict(), evict()],
    ['a pod whose DaemonSet is gone', { controller: orphan }, evict('daemonset-gone'), refuse('daemonset-gone')],
    [
      'a mirror whose DaemonSet is gone',
      { controller: orphan, mirror: true },
      leave('mirror'),
      refuse('daemonset-gone'),
    ],
  ])('%s', (_name, details, withAll, withNothing) => {
    expect(chosen(details)).toEqual(withAll);
    expect(chosen(details, nothing)).toEqual(withNothing);
  });

  it('waits for a pod whose DaemonSet is gone and its data are to be kept', () => {
    expect(chosen({ controller: orphan, emptyDir: true }, { ...everything, evictEmptyDir: false })).toEqual(
      refuse('empty-dir'),
    );
  });

  it('leaves out what should have ended long ago, in whole seconds and more of them than asked for', () => {
    const options = { ...everything, skipTerminatingAfterSeconds: 10 };
    expect(chosen({ endsAtMs: nowMs - 11_000 }, options)).toEqual(leave('ending-for-long'));
    expect(chosen({ endsAtMs: nowMs - 10_999 }, options)).toEqual(evict());
    expect(chosen({ endsAtMs: nowMs + 60_000 }, options)).toEqual(evict());
    expect(chosen({ endsAtMs: nowMs - 1e9 })).toEqual(evict());
    // Before it is asked what kind of pod it is.
    expect(chosen({ endsAtMs: nowMs - 11_000, mirror: true }, options)).toEqual(leave('ending-for-long'));
  });

  it('says when the next of them is left out', () => {
    const pods = [
      drainPod('a'),
      drainPod('b', { endsAtMs: nowMs + 5_000 }),
      drainPod('c', { endsAtMs: nowMs - 60_000 }),
    ];
    expect(skipsAtMs(pods, { skipTerminatingAfterSeconds: 10 }, nowMs)).toBe(nowMs + 16_000);
    expect(skipsAtMs(pods, { skipTerminatingAfterSeconds: undefined }, nowMs)).toBe(Number.POSITIVE_INFINITY);
  });

  it('sorts the pods of a node', () => {
    const pods = [drainPod('a'), drainPod('b', { mirror: true }), drainPod('c', { controller: undefined })];
    const { evict, left, refused, warnings } = select(pods, { options: everything, daemonSets: new Set(), nowMs });
    expect(evict.map(({ name }) => name)).toEqual(['a', 'c']);
    expect(left.map(({ why }) => why)).toEqual(['mirror']);
    expect(warnings.map(({ warning }) => warning)).toEqual(['unmanaged']);
    expect(refused).toEqual([]);
  });
});

describe('what is read of a Pod', () => {
  const metadata = { name: 'web-0', namespace: 'shop', uid: 'u1', resourceVersion: '1' };

  it('is what is there', () => {
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agents', uid: 'u2' };
    const pod = drainPodOf({
      metadata: {
        ...metadata,
        deletionTimestamp: '2026-01-01T00:00:00Z',
        deletionGracePeriodSeconds: 30,
        annotations: { 'kubernetes.io/config.mirror': '' },
        ownerReferences: [
          { ...owner, name: 'other' },
          { ...owner, controller: true },
        ],
      },
      spec: { containers: [], priority: 2_000_001_000, volumes: [{ name: 'data', emptyDir: {} }] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
    expect(pod).toMatchObject({
      controller: { daemonSet: true, name: 'agents' },
      endsAtMs: nowMs,
      endAskedAtMs: nowMs - 30_000,
      mirror: true,
      emptyDir: true,
      critical: true,
      ready: true,
    });
  });

  it('is the least where nothing is there', () => {
    expect(drainPodOf({ metadata })).toMatchObject({
      controller: undefined,
      endsAtMs: undefined,
      mirror: false,
      emptyDir: false,
      critical: false,
      ready: false,
      phase: '',
    });
  });
});
