import { describe, expect, it } from 'vitest';
import { isSettled, progressOf } from '../../../agent/cli/cleanprogress.ts';
import { cleaned, node, strangeNode } from './nodeexamples.ts';

const request = '20260301T100000Z-abcd';

describe('how far a requested cleaning is', () => {
  it('is requested until an agent takes it up', () => {
    expect(progressOf(request, node({ clean: request }))).toEqual({ state: 'requested' });
  });

  it('is under way once an agent has accepted it', () => {
    expect(progressOf(request, node({ clean: request, 'clean-handled': request }))).toEqual({ state: 'cleaning' });
  });

  it('is done when the result names it', () => {
    const done = progressOf(request, node({ clean: request, 'clean-handled': request, 'last-clean': { request } }));
    expect(done).toEqual({ state: 'done', result: { ...cleaned, request } });
    expect(isSettled(done)).toBe(true);
  });

  it('is not done by the result of an earlier request', () => {
    const annotations = { clean: request, 'clean-handled': request, 'last-clean': { request: 'earlier' } };
    expect(progressOf(request, node(annotations))).toEqual({ state: 'cleaning' });
  });

  it('is done without a result of its own where a later run passes the value on', () => {
    const annotations = { clean: request, 'clean-handled': request, 'last-clean': { request, trigger: 'schedule' } };
    expect(progressOf(request, node(annotations))).toEqual({ state: 'done', result: undefined });
  });

  it('waits while the agent says so, before and during the run, and says why', () => {
    const status = { state: 'waiting', waiting: 'node web-1 is cordoned and its pods leave' };
    const waiting = { state: 'waiting', why: status.waiting };
    expect(progressOf(request, node({ clean: request, status }))).toEqual(waiting);
    expect(progressOf(request, node({ clean: request, 'clean-handled': request, status }))).toEqual(waiting);
    expect(isSettled(progressOf(request, node({ clean: request, status })))).toBe(false);
  });

  it('waits while the node is held, with the reason of the hold', () => {
    expect(progressOf(request, node({ clean: request, hold: 'disk copy' }))).toEqual({
      state: 'waiting',
      why: 'held: disk copy',
    });
    expect(progressOf(request, node({ clean: request, hold: '' }))).toEqual({ state: 'waiting', why: 'held' });
  });

  it('waits where no agent has ever reported', () => {
    expect(progressOf(request, strangeNode({ clean: request }))).toMatchObject({ state: 'waiting', why: /no agent/ });
  });

  it('does not end when the status or the result cannot be read', () => {
    const annotations = {
      clean: request,
      'clean-handled': request,
      status: '{',
      'last-clean': `{"request":"${request}"}`,
    };
    expect(progressOf(request, node(annotations))).toEqual({ state: 'cleaning' });
  });

  it('is lost when another request takes its place before an agent has seen it', () => {
    const lost = progressOf(request, node({ clean: 'later' }));
    expect(lost).toEqual({ state: 'lost', why: 'a later request took its place' });
    expect(isSettled(lost)).toBe(true);
  });

  it('goes on when another request comes after an agent has accepted it', () => {
    expect(progressOf(request, node({ clean: 'later', 'clean-handled': request }))).toEqual({ state: 'cleaning' });
  });

  it('is lost when it is withdrawn, or the node goes away', () => {
    expect(progressOf(request, node())).toEqual({ state: 'lost', why: 'the request was withdrawn' });
    expect(progressOf(request, undefined)).toEqual({ state: 'lost', why: 'the node is gone' });
  });
});
