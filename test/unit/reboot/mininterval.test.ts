import { describe, expect, it } from 'vitest';
import { next } from '../../../agent/reboot/machine.ts';
import { initialState, type Observation, type Step } from '../../../agent/reboot/state.ts';
import { defaultSettings } from '../../sim/reboot/settings.ts';

const nowMs = Date.UTC(2026, 0, 5, 12);
const minuteMs = 60_000;

/** A Node that is new, and a command that always says yes. */
function stepAfter(uptimeMs: number, request?: string): Step {
  const facts: Observation = {
    nowMs,
    bootId: 'boot-1',
    uptimeMs,
    sentinel: {
      wanted: true,
      kind: 'command',
      sinceMs: nowMs,
      settledForMs: 60 * minuteMs,
      writtenAtMs: 0,
      packages: [],
    },
    paused: false,
    unknownForMs: { sentinel: 0, pause: 0, slots: 0 },
    recordedForMs: 0,
    node: {
      uid: 'uid-1',
      unschedulable: false,
      cordonedBySomebody: false,
      reportedBootId: 'boot-1',
      ready: true,
      readyForMs: minuteMs,
      hold: undefined,
      request,
      marks: [],
    },
    lock: undefined,
    window: { open: true, reason: 'open', changesAtMs: undefined },
    answers: { gates: { askedAgoMs: 0, answeredAgoMs: 0, blockedBy: [] } },
    drain: { kind: 'none' },
    rebootCall: { kind: 'none' },
    preparingForShutdown: undefined,
  };
  return next(initialState('uid-1', nowMs), facts, defaultSettings, () => 0.5);
}

describe('the least time between two boots', () => {
  it('counts also where nobody remembers the last one, as of a Node that is registered anew at each boot', () => {
    const step = stepAfter(10 * minuteMs);
    expect(step.reason).toMatchObject({ code: 'too-soon', gates: ['min-interval'] });
    expect(step.state.phase).toBe('wanted');
    expect(step.effects.at(-1)).toEqual({ kind: 'wait', untilMs: nowMs + minuteMs });
  });

  it('is over when the host has been up for so long', () => {
    expect(stepAfter(60 * minuteMs).state.phase).toBe('waiting');
  });

  it('is not waited for by a person who asks for it now', () => {
    expect(stepAfter(10 * minuteMs, 'now-1').state.phase).toBe('waiting');
  });
});
