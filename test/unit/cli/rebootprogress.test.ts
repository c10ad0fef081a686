import { describe, expect, it } from 'vitest';
import { isSettled, progressInWords, progressOf, progressToJson } from '../../../agent/cli/rebootprogress.ts';
import type { NodeView } from '../../../agent/cluster/node.ts';
import { encodeState } from '../../../agent/reboot/record.ts';
import { initialState, type ReasonCode, type State } from '../../../agent/reboot/state.ts';
import { node } from './nodeexamples.ts';

const request = '20260301T100000Z-abcd';
const nowMs = Date.UTC(2026, 2, 1, 12);

function because(code: ReasonCode, text: string): Pick<State, 'reason'> {
  return { reason: { code, text } };
}

/** A node on which the request stands, and its agent has recorded this. */
function recorded(change: Partial<State>, annotation: string | undefined = request): NodeView {
  const state = { ...initialState('uid-1', nowMs), ...change };
  const view = node();
  const ours: [string, string][] = annotation === undefined ? [] : [['reboot', annotation]];
  return { ...view, annotations: new Map([...view.annotations, ...ours, ['reboot-status', encodeState(state)]]) };
}

const need = { kind: 'request', sinceMs: nowMs, packages: [], request } as const;
const lastReboot = { bootId: 'boot-2', atMs: nowMs, judged: true };

describe('how far a requested reboot is', () => {
  it('is requested until an agent takes it up, and the words say what it takes', () => {
    expect(progressOf(request, node({}, { annotations: new Map([['reboot', request]]) }))).toEqual({
      state: 'requested',
    });
    expect(progressOf(request, recorded({ requestHandled: 'an earlier one' }))).toEqual({ state: 'requested' });
    expect(progressInWords({ state: 'requested' })).toContain('reboot.enabled: true');
  });

  it('waits, with the reason, until the node is cordoned, and again after a failure', () => {
    const held = recorded({ phase: 'wanted', need, ...because('held', 'the node is held: disk copy') });
    expect(progressOf(request, held)).toEqual({
      state: 'waiting',
      phase: 'wanted',
      why: 'the node is held: disk copy',
    });
    const failed = recorded({ phase: 'backing-off', need, ...because('drain-failed', 'the drain failed: late') });
    expect(progressOf(request, failed)).toMatchObject({ state: 'waiting', phase: 'backing-off' });
    expect(isSettled(progressOf(request, failed))).toBe(false);
  });

  it('reboots from the cordon until the node has shown that it is well and has given back what it took', () => {
    for (const phase of ['cordoned', 'draining', 'rebooting'] as const) {
      expect(progressOf(request, recorded({ phase, need }))).toMatchObject({ state: 'rebooting', phase });
    }
    for (const phase of ['verifying', 'releasing'] as const) {
      const rebooted = recorded({ phase, need, requestHandled: request, lastReboot });
      expect(progressOf(request, rebooted)).toMatchObject({ state: 'rebooting', phase });
    }
  });

  it('is done when it is handled and the node idle, with the boot ID that proves it', () => {
    const done = progressOf(request, recorded({ requestHandled: request, lastReboot }));
    expect(done).toEqual({ state: 'done', bootId: 'boot-2', remark: undefined });
    expect(isSettled(done)).toBe(true);
    expect(progressInWords(done)).toBe('rebooted: the boot ID is boot-2');
    expect(progressToJson(done)).toEqual({ state: 'done', phase: null, why: null, bootId: 'boot-2' });
  });

  it('is done, too, where a hold leaves the node cordoned, and says so', () => {
    const left = because('left-cordoned', 'rebooted and well, but left cordoned because the node is held');
    const done = progressOf(request, recorded({ phase: 'releasing', requestHandled: request, lastReboot, ...left }));
    expect([done.state, progressInWords(done)]).toEqual(['done', left.reason.text]);
  });

  it('has failed where the node has rebooted and is not well: nothing goes on there by itself', () => {
    const unwell = because('unhealthy', 'not well since the reboot: the node is not Ready');
    const failed = progressOf(request, recorded({ phase: 'verifying', requestHandled: request, ...unwell }));
    expect(failed).toEqual({ state: 'failed', why: unwell.reason.text });
    expect(isSettled(failed)).toBe(true);
  });

  it('is lost when withdrawn, replaced by a later one, or the node gone', () => {
    expect(progressOf(request, recorded({}, 'later'))).toEqual({
      state: 'lost',
      why: 'a later request took its place',
    });
    expect(progressOf(request, node())).toEqual({ state: 'lost', why: 'the request was withdrawn' });
    expect(progressOf(request, undefined)).toEqual({ state: 'lost', why: 'the node is gone' });
  });

  it('does not take the record of an earlier Node of the same name for its own', () => {
    const renewed = recorded({ nodeUid: 'uid-0', requestHandled: request, lastReboot });
    expect(progressOf(request, renewed)).toEqual({ state: 'requested' });
  });
});
