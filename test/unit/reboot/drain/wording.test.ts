import { describe, expect, it } from 'vitest';

import type { Candidate, Standing } from '../../../../agent/reboot/drain/steps.ts';
import { namesOf, obstaclesOf, refusalText, warningText } from '../../../../agent/reboot/drain/wording.ts';
import type { Selection } from '../../../../agent/reboot/drain/selection.ts';
import { budget, drainPod } from './pods.ts';

const byBudget: Standing = { is: 'blocked', obstacle: 'budget', why: 'the server said no' };

function candidate(name: string, standing: Standing): Candidate {
  return { pod: drainPod(name), standing, askedAtMs: 0 };
}

function texts(candidates: readonly Candidate[], budgets = [budget('web', { allowed: 0, healthy: 2 })]): string[] {
  return obstaclesOf(candidates, budgets).map(({ text }) => text);
}

describe('what is in the way of a drain, in words', () => {
  it('names pods and budgets once', () => {
    expect(texts([candidate('a', byBudget), candidate('b', byBudget)])).toEqual([
      'shop/a, shop/b: PodDisruptionBudget shop/web wants 2 pods healthy and has 2',
    ]);
  });

  it('says what to do about a budget that never allows one', () => {
    const all = { allowed: 0, expected: 3, desiredHealthy: 3 };
    expect(texts([candidate('a', byBudget)], [budget('web', all)])).toEqual([
      'shop/a: PodDisruptionBudget shop/web never allows one to go: it wants 3 of 3 pods healthy. Change it, or add replicas',
    ]);
    expect(texts([candidate('a', byBudget)], [budget('web', { uncountable: 'no controllers' })])).toEqual([
      'shop/a: PodDisruptionBudget shop/web never allows one to go: its pods cannot be counted (no controllers)',
    ]);
    expect(texts([candidate('a', byBudget)], [budget('web', { synced: false })])).toEqual([
      'shop/a: PodDisruptionBudget shop/web is not counted yet',
    ]);
  });

  it('gives the words of the server where nothing better is known', () => {
    expect(texts([candidate('a', byBudget)], [])).toEqual(['shop/a: the server said no']);
    expect(obstaclesOf([candidate('a', byBudget)], undefined).map(({ text }) => text)).toEqual([
      'shop/a: the server said no',
    ]);
  });

  it('begins with what needs a person, leaves out what is on its way, and is bounded', () => {
    const denied = (name: string): Candidate =>
      candidate(name, { is: 'given-up', obstacle: 'refused', why: `policy of ${name}` });
    const candidates = [
      candidate('ending', { is: 'ending' }),
      candidate('queued', { is: 'queued' }),
      candidate('asking', { is: 'asking' }),
      candidate('blocked', byBudget),
      denied('denied'),
    ];
    expect(obstaclesOf(candidates, []).map(({ code }) => code)).toEqual(['refused', 'budget', 'ending']);
    const many = Array.from({ length: 20 }, (_, index) => denied(`pod-${index}`));
    expect(obstaclesOf(many, [])).toHaveLength(5);
  });

  it('names a few of many pods', () => {
    const pods = ['a', 'b', 'c', 'd', 'e'].map((name) => drainPod(name));
    expect(namesOf(pods)).toBe('shop/a, shop/b, shop/c and 2 more');
    expect(namesOf(pods.slice(0, 3))).toBe('shop/a, shop/b, shop/c');
  });
});

describe('a selection in words', () => {
  const nothing: Selection = { evict: [], left: [], refused: [], warnings: [] };

  it('says why no pod goes, by reason', () => {
    const refused = [
      { pod: drainPod('a'), why: 'unmanaged' },
      { pod: drainPod('b'), why: 'empty-dir' },
      { pod: drainPod('c'), why: 'unmanaged' },
    ] as const;
    expect(refusalText({ ...nothing, refused })).toBe(
      'shop/a, shop/c: nobody would make them again (evictUnmanaged is false); shop/b: they keep data in emptyDir volumes, which would be lost (evictEmptyDir is false)',
    );
  });

  it('says what is lost, if anything', () => {
    expect(warningText(nothing)).toBeUndefined();
    const warnings = [{ pod: drainPod('a'), warning: 'daemonset-gone' }] as const;
    expect(warningText({ ...nothing, warnings })).toBe('shop/a: their DaemonSet is gone: nobody makes them again');
  });
});
