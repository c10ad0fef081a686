import { describe, expect, it } from 'vitest';
import { decodeRecord, decodeState, encodeState, recordedState, recordPatch } from '../../../agent/reboot/record.ts';
import { initialState, type State } from '../../../agent/reboot/state.ts';

const nowMs = Date.UTC(2026, 0, 5, 12);

const state: State = {
  phase: 'draining',
  sinceMs: nowMs,
  reason: { code: 'pods-leaving', text: '3 pods left' },
  nodeUid: 'uid-1',
  need: { kind: 'sentinel', sinceMs: nowMs - 1, packages: ['linux-image', 'libc6'], request: 'one' },
  slot: 'nodetender-workers-0',
  bootId: 'boot-1',
  cordonedByUs: true,
  marks: ['scale-down'],
  notReadyBefore: ['kube-system/gpu'],
  failures: 2,
  retryAtMs: nowMs + 1,
  lastReboot: { bootId: 'boot-0', atMs: nowMs - 2, judged: true },
  inVain: 1,
  requestHandled: 'zero',
};

function nodeWith(annotation: string | undefined, label: string | undefined) {
  return {
    uid: 'uid-1',
    labels: new Map(label === undefined ? [] : [['nodetender.dev/state', label]]),
    annotations: new Map(annotation === undefined ? [] : [['reboot-status', annotation]]),
  };
}

describe('the record of a reboot on the Node', () => {
  it('is read back as it was, with times that a person can read', () => {
    const text = encodeState(state);
    expect(decodeState(text)).toEqual({ ok: true, value: state });
    expect(text).toContain('2026-01-05T12:00:00.000Z');
  });

  it('has the phase as a label, and none while idle', () => {
    expect(recordPatch(state).labels).toEqual({ 'nodetender.dev/state': 'draining' });
    expect(recordPatch(initialState('uid-1', nowMs)).labels).toEqual({ 'nodetender.dev/state': null });
    expect(recordPatch(state).annotations).toEqual({ 'nodetender.dev/reboot-status': encodeState(state) });
  });

  it('is blank on a Node that nobody has written to', () => {
    const blank = { state: initialState('uid-1', nowMs) };
    expect(recordedState(nodeWith(undefined, undefined), 'boot-1', nowMs)).toEqual(blank);
  });

  it('tells people the pool, which is no part of the state', () => {
    const pool = { name: 'workers', slots: 2, cap: 3 };
    const text = encodeState(state, pool);
    expect(decodeRecord(text)).toEqual({ ok: true, value: { state, pool, hasLimits: true } });
    expect(decodeState(text)).toEqual({ ok: true, value: state });
  });

  it('may have fields of a newer agent', () => {
    const text = JSON.stringify({ ...JSON.parse(encodeState(state)), mood: 'good' });
    expect(decodeState(text)).toEqual({ ok: true, value: state });
  });

  it.each([
    ['no JSON', '{"phase":', 'expected JSON'],
    ['a phase that there is not', encodeState(state).replace('"phase":"draining"', '"phase":"dancing"'), 'phase'],
    ['no time', encodeState(state).replace('2026-01-05T12:00:00.000Z', 'noon'), 'since'],
    ['a wrong type', encodeState(state).replace('"cordonedByUs":true', '"cordonedByUs":"yes"'), 'cordonedByUs'],
    ['too many failures', encodeState(state).replace('"failures":2', '"failures":1e300'), 'failures'],
    ['too much', encodeState(state) + ' '.repeat(21_000), 'at most'],
  ])('is refused with a word on what is wrong where somebody has written %s', (_, text, problem) => {
    const decoded = decodeState(text);
    expect(decoded.ok ? '' : decoded.problem).toContain(problem);
  });

  it('damaged in the middle of a reboot: the node has to show that it is well, and no cordon counts as ours', () => {
    const { state: recovered, problem } = recordedState(nodeWith('{', 'draining'), 'boot-1', nowMs);
    expect(recovered).toMatchObject({ phase: 'verifying', bootId: 'boot-1', cordonedByUs: false, nodeUid: 'uid-1' });
    expect(problem).toContain('nodetender.dev/reboot-status');
    expect(recordedState(nodeWith(undefined, 'rebooting'), 'boot-1', nowMs).state.phase).toBe('verifying');
  });

  it.each(['waiting', 'wanted', undefined])('damaged while %s: what it may have taken is given back', (label) => {
    const { state: recovered } = recordedState(nodeWith('{', label), 'boot-1', nowMs);
    expect(recovered).toMatchObject({ phase: 'releasing', bootId: 'boot-1', cordonedByUs: false });
  });

  it('damaged under a label that there is not yet: it may be one of a reboot', () => {
    expect(recordedState(nodeWith('{', 'warming-up'), 'boot-1', nowMs).state.phase).toBe('verifying');
  });

  it('may have a reason that only a newer agent knows', () => {
    const text = encodeState(state).replace(`"code":"${state.reason.code}"`, '"code":"invented-later"');
    expect(decodeState(text)).toMatchObject({
      ok: true,
      value: { phase: state.phase, reason: { code: 'unknown-facts' } },
    });
  });

  it.each(['"', '\u0001'])('is read again whatever its words are, also as %j', (letter) => {
    const words = letter.repeat(253);
    const gates = Array.from({ length: 10 }, (_, index) => `${letter.repeat(99)}${index}`);
    const packages = Array.from({ length: 20 }, (_, index) => `${index}`.padStart(64, 'p'));
    const longest: State = {
      ...state,
      reason: { code: 'gate-blocks', text: words, gates },
      need: { kind: 'sentinel', sinceMs: nowMs, packages, request: words },
      requestHandled: words,
      notReadyBefore: Array.from({ length: 10 }, (_, index) => `${'s'.repeat(63)}/${index}`.padEnd(317, 'n')),
      softTaint: `${'d'.repeat(253)}/${'n'.repeat(63)}`,
    };
    expect(decodeState(encodeState(longest, { name: 'workers', slots: 1_000, cap: 1_000 }))).toEqual({
      ok: true,
      value: longest,
    });
  });

  it.each([-99_999_999_999_000, -1, 1e15, 1e18, Number.NaN])('is read again where a clock or a file says %d', (ms) => {
    const odd: State = {
      ...state,
      sinceMs: ms,
      retryAtMs: ms,
      need: { kind: 'sentinel', sinceMs: ms, writtenAtMs: ms, packages: [] },
      lastReboot: { bootId: 'boot-0', atMs: ms, judged: true, needWrittenAtMs: ms },
    };
    const text = encodeState(odd);
    const decoded = decodeState(text);
    expect(decoded).toMatchObject({ ok: true, value: { cordonedByUs: true } });
    expect(decoded.ok && encodeState(decoded.value)).toBe(text);
  });

  it('of a phase that only a newer agent knows: a request that was done is not done again', () => {
    const text = encodeState(state).replace('"phase":"draining"', '"phase":"dancing"');
    const { state: recovered } = recordedState(nodeWith(text, 'dancing'), 'boot-1', nowMs);
    expect(recovered).toMatchObject({ phase: 'verifying', cordonedByUs: false, requestHandled: 'zero' });
  });

  it('that somebody has taken away is damaged, too; of another Node of that name it is none', () => {
    const { state: recovered } = recordedState(nodeWith(undefined, undefined), 'boot-1', nowMs, encodeState(state));
    expect(recovered).toMatchObject({ phase: 'releasing', cordonedByUs: false, requestHandled: 'zero' });
    const replaced = { ...nodeWith(undefined, undefined), uid: 'uid-2' };
    expect(recordedState(replaced, 'boot-1', nowMs, encodeState(state))).toEqual({
      state: initialState('uid-2', nowMs),
    });
  });
});
