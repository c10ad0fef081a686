import { describe, expect, it } from 'vitest';

import { refusalError } from '../../../agent/cluster/errors.ts';

const asked = { verb: 'patch', what: 'nodes/status node-1' };
const nowMs = Date.UTC(2026, 0, 1);

function errorOf(httpStatus: number, status: unknown, retryAfter?: string): ReturnType<typeof refusalError> {
  return refusalError({ httpStatus, status, retryAfter }, asked, nowMs);
}

describe('a refusal', () => {
  it.each([
    [400, {}, 'cluster/invalid'],
    [401, {}, 'cluster/unauthorized'],
    [403, {}, 'cluster/forbidden'],
    [403, { details: { causes: [{ reason: 'NamespaceTerminating' }] } }, 'cluster/namespace-terminating'],
    [404, {}, 'cluster/not-found'],
    [405, {}, 'cluster/invalid'],
    [409, { reason: 'AlreadyExists' }, 'cluster/already-exists'],
    [409, { reason: 'Conflict' }, 'cluster/conflict'],
    [410, { reason: 'Expired' }, 'cluster/gone'],
    [413, {}, 'cluster/invalid'],
    [422, { reason: 'Invalid' }, 'cluster/invalid'],
    [429, { reason: 'TooManyRequests' }, 'cluster/throttled'],
    [429, { details: { causes: [{ reason: 'DisruptionBudget' }] } }, 'cluster/disruption-budget'],
    [500, {}, 'cluster/failed'],
    [500, { message: 'This pod has more than one PodDisruptionBudget, which …' }, 'cluster/several-budgets'],
    [502, undefined, 'cluster/unavailable'],
    [503, {}, 'cluster/unavailable'],
    [504, { reason: 'Timeout' }, 'cluster/timeout'],
    [301, undefined, 'cluster/failed'],
  ])('with HTTP %i and %j is %s', (httpStatus, status, code) => {
    expect(errorOf(httpStatus, status).code).toBe(code);
  });

  it('says what was asked and what the server said', () => {
    const message = 'nodes "node-1" not found';
    expect(errorOf(404, { message }).message).toBe('patch nodes/status node-1: nodes "node-1" not found');
    expect(errorOf(500, 'no Status at all').message).toBe('patch nodes/status node-1: HTTP 500');
  });

  it('says what to grant when it is forbidden', () => {
    expect(errorOf(403, { message: 'no' }).message).toBe(
      'patch nodes/status node-1: no. Grant the verb "patch" on nodes/status in the ClusterRole',
    );
  });

  it('says so also where the owners of an object are for those alone who may delete it', () => {
    const message = 'leases "a" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>';
    expect(errorOf(403, { message }).message).toContain('Grant the verb "delete" on nodes/status');
  });

  it('is bounded, however long the server talks', () => {
    expect(errorOf(422, { message: 'x'.repeat(1_000_000) }).message.length).toBeLessThan(1_100);
  });

  it.each([
    ['7', {}, 7_000],
    ['Thu, 01 Jan 2026 00:00:30 GMT', {}, 30_000],
    ['Thu, 01 Jan 2015 00:00:30 GMT', {}, 0],
    ['soon', {}, undefined],
    ['-3', {}, undefined],
    [undefined, { details: { retryAfterSeconds: 10 } }, 10_000],
    ['7', { details: { retryAfterSeconds: 10 } }, 7_000],
    [undefined, { details: { retryAfterSeconds: 'x' } }, undefined],
    [undefined, { details: { retryAfterSeconds: -1 } }, undefined],
    [undefined, {}, undefined],
  ])('with Retry-After %s and %j asks to wait %s ms', (header, status, retryAfterMs) => {
    expect(errorOf(429, status, header).retryAfterMs).toBe(retryAfterMs);
  });

  it('leaves open what a failing server has done, and nothing else', () => {
    expect([409, 429, 500, 503].map((httpStatus) => errorOf(httpStatus, {}).notApplied)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
