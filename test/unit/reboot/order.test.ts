import { describe, expect, it } from 'vitest';
import { next } from '../../../agent/reboot/machine.ts';
import type { Settings } from '../../../agent/reboot/settings.ts';
import { initialState, type Observation, type State } from '../../../agent/reboot/state.ts';
import { defaultSettings } from '../../sim/reboot/settings.ts';

const nowMs = Date.UTC(2026, 0, 5, 12);

const cordoned: State = {
  ...initialState('uid-1', nowMs),
  phase: 'cordoned',
  reason: { code: 'cordoned', text: 'it takes no new pods' },
  bootId: 'boot-1',
  slot: 'nodetender-default-0',
  cordonedByUs: true,
  need: { kind: 'sentinel', sinceMs: nowMs - 3_600_000, packages: [] },
};

const node: NonNullable<Observation['node']> = {
  uid: 'uid-1',
  unschedulable: true,
  cordonedBySomebody: false,
  reportedBootId: 'boot-1',
  ready: true,
  readyForMs: 3_600_000,
  hold: undefined,
  request: undefined,
  marks: [],
};

/** Nothing stands in the way. */
const facts: Observation = {
  nowMs,
  bootId: 'boot-1',
  uptimeMs: 3_600_000,
  sentinel: {
    wanted: true,
    kind: 'sentinel',
    sinceMs: nowMs - 3_600_000,
    settledForMs: 3_600_000,
    writtenAtMs: nowMs - 3_600_000,
    packages: [],
  },
  paused: false,
  unknownForMs: { sentinel: 0, pause: 0, slots: 0 },
  recordedForMs: 0,
  node,
  lock: { kind: 'held', slot: 'nodetender-default-0', heldForMs: 40_000, checked: true, surplus: [] },
  window: { open: true, reason: '', changesAtMs: undefined },
  answers: { gates: { askedAgoMs: 10, answeredAgoMs: 5, blockedBy: [] } },
  drain: { kind: 'none' },
  rebootCall: { kind: 'none' },
  preparingForShutdown: undefined,
};

const after = (state: State, change: Partial<Observation>, settings: Settings = defaultSettings) =>
  next(state, { ...facts, ...change }, settings, () => 0.5);

describe('between the cordon and the reboot', () => {
  it.each([
    ['that has just come, after a slot that took long to be of use', 0],
    ['of a while ago', 29_999],
  ])('load balancers have their time from a cordon %s', (_, agoMs) => {
    const { reason, effects } = after(
      cordoned,
      { nowMs: nowMs + agoMs },
      { ...defaultSettings, cordonDelayMs: 30_000 },
    );
    expect(reason.code).toBe('cordon-delay');
    expect(effects.at(-1)).toEqual({ kind: 'wait', untilMs: nowMs + 30_000 });
  });

  it('they have no more of it because the clock was set back', () => {
    const settings = { ...defaultSettings, cordonDelayMs: 30_000 };
    expect(after(cordoned, { nowMs: nowMs - 3_600_000 }, settings).reason.code).toBe('asking');
  });

  it.each([
    ['before the cordon is of an earlier try, and counts for nothing', 14_000, 'asking'],
    ['since the cordon counts', 9_000, 'pods-leaving'],
  ])('a yes that was given %s', (_, askedAgoMs, code) => {
    const answers = { 'before-reboot': { askedAgoMs, answeredAgoMs: askedAgoMs - 1_000, blockedBy: [] } };
    expect(after(cordoned, { nowMs: nowMs + 10_000, answers }).reason.code).toBe(code);
  });

  it('the reboot is also that of whoever has asked for one since', () => {
    const draining: State = { ...cordoned, phase: 'draining', reason: { code: 'pods-leaving', text: '1 pod left' } };
    const change = { node: { ...node, request: 'one' }, drain: { kind: 'done', doneForMs: 1_000 } } as const;
    const ordered = after(after(draining, change).state, change).state;
    expect([ordered.phase, ordered.need?.request]).toEqual(['rebooting', 'one']);
    expect(after(ordered, { ...change, bootId: 'boot-2' }).state.requestHandled).toBe('one');
  });
});
