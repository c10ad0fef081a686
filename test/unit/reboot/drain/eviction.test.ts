import { describe, expect, it } from 'vitest';

import { verdictOf } from '../../../../agent/reboot/drain/eviction.ts';
import type { ErrorCode } from '../../../../agent/errors.ts';

function verdict(code: ErrorCode | undefined, retryAfterMs?: number, failures = 1): object {
  return verdictOf({ code, retryAfterMs, failures });
}

const retry = (obstacle: string, afterMs = 5_000): object => ({ next: 'retry', obstacle, afterMs });

describe('an answer to an eviction', () => {
  it.each<[ErrorCode | undefined, object]>([
    [undefined, { next: 'await-end' }],
    ['cluster/not-found', { next: 'gone' }],
    ['cluster/conflict', { next: 'look' }],
    ['cluster/disruption-budget', retry('budget')],
    ['cluster/throttled', retry('throttled')],
    ['cluster/namespace-terminating', retry('namespace-terminating')],
    ['cluster/unavailable', retry('no-answer')],
    ['cluster/timeout', retry('no-answer')],
    ['cluster/unauthorized', retry('no-answer')],
    ['cluster/several-budgets', { next: 'give-up', obstacle: 'several-budgets' }],
    ['cluster/forbidden', { next: 'give-up', obstacle: 'refused' }],
    ['cluster/invalid', { next: 'give-up', obstacle: 'refused' }],
  ])('with %s', (code, expected) => {
    expect(verdict(code)).toEqual(expected);
  });

  it('is obeyed where it says how long to wait, within reason', () => {
    expect(verdict('cluster/disruption-budget', 10_000)).toEqual(retry('budget', 10_000));
    expect(verdict('cluster/throttled', 1_000)).toEqual(retry('throttled', 5_000));
    expect(verdict('cluster/throttled', 86_400_000)).toEqual(retry('throttled', 60_000));
  });

  it('that is a failure of the server is asked for again a few times', () => {
    expect(verdict('cluster/failed', undefined, 4)).toEqual(retry('no-answer'));
    expect(verdict('cluster/failed', undefined, 5)).toEqual({ next: 'give-up', obstacle: 'no-answer' });
  });
});
