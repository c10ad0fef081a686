import { describe, expect, it } from 'vitest';

import type { BudgetObject } from '../../../../agent/cluster/objects.ts';
import { budgetOf, budgetsOf, isBeyond, neverAllows } from '../../../../agent/reboot/drain/budget.ts';
import { budget, drainPod } from './pods.ts';

type Selector = NonNullable<BudgetObject['spec']>['selector'];

function counts(selector: Selector | undefined, labels: Record<string, string>): boolean {
  const metadata = { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '1' };
  const spec = selector === undefined ? {} : { selector };
  return budgetOf({ metadata, spec }).counts(new Map(Object.entries(labels)));
}

describe('a budget', () => {
  it.each<[string, Selector | undefined, Record<string, string>, boolean]>([
    ['labels that are there', { matchLabels: { app: 'web' } }, { app: 'web', tier: 'front' }, true],
    [
      'labels of which one differs',
      { matchLabels: { app: 'web', tier: 'back' } },
      { app: 'web', tier: 'front' },
      false,
    ],
    ['an empty selector', {}, { app: 'web' }, true],
    ['no selector', undefined, { app: 'web' }, false],
    ['In', { matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'api'] }] }, { app: 'api' }, true],
    ['In without the label', { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] }, {}, false],
    ['NotIn without the label', { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, {}, true],
    ['NotIn', { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, { app: 'web' }, false],
    ['Exists', { matchExpressions: [{ key: 'app', operator: 'Exists' }] }, { app: '' }, true],
    ['DoesNotExist', { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] }, { app: 'web' }, false],
    [
      'what is no operator',
      { matchExpressions: [{ key: 'app', operator: 'Like', values: ['web'] }] },
      { app: 'web' },
      false,
    ],
  ])('counts pods by %s', (_name, selector, labels, expected) => {
    expect(counts(selector, labels)).toBe(expected);
  });

  it('counts pods of its own namespace alone', () => {
    expect(budgetsOf(drainPod('a', { namespace: 'bank' }), [budget('web')])).toEqual([]);
    expect(
      budgetsOf(drainPod('a'), [budget('web'), budget('all'), budget('none', { counts: () => false })]),
    ).toHaveLength(2);
  });

  it.each([
    ['a pod that runs', {}, {}, false],
    ['a finished pod', { phase: 'Failed', ready: false }, { healthy: 0 }, true],
    ['a pod that has not begun', { phase: 'Pending', ready: false }, { healthy: 0 }, true],
    ['a pod that is ending', { endsAtMs: 0 }, {}, true],
    ['a pod that is not ready while enough others are', { ready: false }, { healthy: 2, desiredHealthy: 2 }, true],
    ['a pod that is not ready while too few are', { ready: false }, { healthy: 1, desiredHealthy: 2 }, false],
    ['a pod that is not ready where none has to be', { ready: false }, { healthy: 0, desiredHealthy: 0 }, false],
    ['a pod that is not ready and may always go', { ready: false }, { healthy: 0, unreadyMayGo: true }, true],
    ['a ready pod where unready ones may always go', {}, { unreadyMayGo: true }, false],
  ])('is asked for %s or not', (_name, pod, details, beyond) => {
    expect(isBeyond(drainPod('a', pod), budget('web', details))).toBe(beyond);
  });

  it.each([
    ['it wants all of them', { allowed: 0, expected: 3, desiredHealthy: 3, healthy: 3 }, true],
    ['it wants more than there are', { allowed: 0, expected: 3, desiredHealthy: 5, healthy: 3 }, true],
    ['its pods cannot be counted', { synced: false, uncountable: 'found no controllers' }, true],
    ['it has no pods', { allowed: 0, expected: 0, desiredHealthy: 0, healthy: 0 }, true],
    ['one of its pods is away', { allowed: 0, expected: 3, desiredHealthy: 2, healthy: 2 }, false],
    ['it has room', { allowed: 1, expected: 3, desiredHealthy: 2 }, false],
    ['it is not counted yet', { synced: false, allowed: 0, expected: 0, desiredHealthy: 0 }, false],
  ])('never allows one, or may, when %s', (_name, details, never) => {
    expect(neverAllows(budget('web', details))).toBe(never);
  });
});
