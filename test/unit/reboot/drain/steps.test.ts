import { array, assert, boolean, constantFrom, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { laneOf } from '../../../../agent/reboot/drain/lanes.ts';
import type { DrainPod } from '../../../../agent/reboot/drain/pod.ts';
import {
  type Candidate,
  isSpent,
  type LaneRest,
  nextSteps,
  type Standing,
  type StepFacts,
  type Steps,
} from '../../../../agent/reboot/drain/steps.ts';
import { budget, drainPod } from './pods.ts';

const blocked: Standing = { is: 'blocked', obstacle: 'budget', why: 'no' };
const givenUp: Standing = { is: 'given-up', obstacle: 'refused', why: 'no' };

function candidate(pod: DrainPod, standing: Standing = { is: 'queued' }, askedAtMs?: number): Candidate {
  return { pod, standing, askedAtMs };
}

function steps(candidates: readonly Candidate[], facts: Partial<StepFacts> = {}): Steps {
  const options = { parallelism: 10, podTimeoutMs: undefined, gracePeriodSeconds: undefined };
  return nextSteps({ candidates, budgets: [], rests: new Map(), options, nowMs: 1_000, ...facts });
}

function asked({ ask }: Steps): string[] {
  return ask.map(({ pod }) => pod.name);
}

function rests(key: string, rest: Partial<LaneRest>): ReadonlyMap<string, LaneRest> {
  return new Map([[key, { untilMs: 6_000, budgetVersion: '1', ...rest }]]);
}

describe('the next steps of a drain', () => {
  it('are evictions side by side, as many as may be', () => {
    const pods = ['a', 'b', 'c', 'd'].map((name) => candidate(drainPod(name)));
    const options = { parallelism: 3, podTimeoutMs: undefined, gracePeriodSeconds: undefined };
    expect(asked(steps(pods, { options }))).toEqual(['a', 'b', 'c']);
    const busy = [candidate(drainPod('x'), { is: 'asking' }), ...pods];
    expect(asked(steps(busy, { options }))).toEqual(['a', 'b']);
  });

  it('are one after the other under one budget', () => {
    const pods = [drainPod('a'), drainPod('b'), drainPod('free', { labels: new Map() })].map((pod) => candidate(pod));
    expect(asked(steps(pods, { budgets: [budget('web')] }))).toEqual(['a', 'free']);
    const [, ...rest] = pods;
    const busy = [candidate(drainPod('a'), { is: 'asking' }), ...rest];
    expect(asked(steps(busy, { budgets: [budget('web')] }))).toEqual(['free']);
  });

  it('are one after the other for one controller while budgets are not known', () => {
    const pods = [drainPod('a'), drainPod('b'), drainPod('bare', { controller: undefined })].map((pod) =>
      candidate(pod),
    );
    expect(asked(steps(pods, { budgets: undefined }))).toEqual(['a', 'bare']);
  });

  it('do not hold up pods that cost the budget nothing', () => {
    const pods = [drainPod('a'), drainPod('pending', { phase: 'Pending', ready: false })].map((pod) => candidate(pod));
    const facts = { budgets: [budget('web', { allowed: 0 })], rests: rests('budget shop/web', {}) };
    expect(asked(steps(pods, facts))).toEqual(['pending']);
  });

  it('are a rest for a budget that has said no', () => {
    const pods = [candidate(drainPod('a'), blocked)];
    const budgets = [budget('web', { allowed: 0 })];
    const resting = steps(pods, { budgets, rests: rests('budget shop/web', {}) });
    expect(asked(resting)).toEqual([]);
    expect(resting.nextAtMs).toBe(6_000);
    expect(resting.finished).toBe(false);
    expect(asked(steps(pods, { budgets, rests: rests('budget shop/web', { untilMs: 1_000 }) }))).toEqual(['a']);
  });

  it('go on as soon as the budget has changed and allows one', () => {
    const pods = [candidate(drainPod('a'), blocked)];
    const facts = { rests: rests('budget shop/web', {}) };
    const changed = (details: object) => asked(steps(pods, { ...facts, budgets: [budget('web', details)] }));
    expect(changed({ resourceVersion: '2', allowed: 1 })).toEqual(['a']);
    expect(changed({ resourceVersion: '2', allowed: 0 })).toEqual([]);
    expect(changed({ resourceVersion: '2', allowed: 1, synced: false })).toEqual([]);
    // What it allowed when it said no.
    expect(changed({ resourceVersion: '1', allowed: 1 })).toEqual([]);
  });

  it('are ordinary pods first, and critical ones when those are gone', () => {
    const dns = candidate(drainPod('dns', { critical: true }));
    expect(asked(steps([dns, candidate(drainPod('a'), { is: 'ending' })]))).toEqual([]);
    expect(asked(steps([dns]))).toEqual(['dns']);
  });

  it('leave critical pods where an ordinary one stays that was given up, unless the host goes down all the same', () => {
    const pods = [candidate(drainPod('dns', { critical: true })), candidate(drainPod('a'), givenUp)];
    expect(steps(pods)).toMatchObject({ ask: [], finished: true });
    const timed = { parallelism: 10, podTimeoutMs: 500, gracePeriodSeconds: undefined };
    const late = [candidate(drainPod('dns', { critical: true })), candidate(drainPod('a'), blocked, 500)];
    expect(steps(late, { options: timed })).toMatchObject({ ask: [], late: [{ name: 'a' }], finished: true });
    expect(asked(steps(pods, { options: { ...timed, whenStuck: 'go-on' as const } }))).toEqual(['dns']);
  });

  it('ask nothing for a pod that is ending, unless it is to end sooner', () => {
    const ending = [candidate(drainPod('a', { endsAtMs: 9_000 }))];
    expect(steps(ending)).toMatchObject({ ask: [], ending: [{ name: 'a' }], finished: false });
    const options = { parallelism: 10, podTimeoutMs: undefined, gracePeriodSeconds: 0 };
    expect(asked(steps(ending, { options }))).toEqual(['a']);
  });

  it('give up a pod that has had its time', () => {
    const options = { parallelism: 10, podTimeoutMs: 500, gracePeriodSeconds: undefined };
    const late = steps([candidate(drainPod('a'), { is: 'ending' }, 500)], { options });
    expect(late).toMatchObject({ late: [{ name: 'a' }], finished: true });
    const inTime = steps([candidate(drainPod('a'), { is: 'ending' }, 501)], { options });
    expect(inTime).toMatchObject({ late: [], nextAtMs: 1_001, finished: false });
  });

  it('are none when nothing is left, or nothing that would go', () => {
    expect(steps([])).toEqual({ ask: [], ending: [], late: [], nextAtMs: undefined, finished: true });
    const givenUp: Standing = { is: 'given-up', obstacle: 'several-budgets', why: 'no' };
    expect(steps([candidate(drainPod('a'), givenUp)]).finished).toBe(true);
  });
});

describe('the next steps of any drain', () => {
  const standings: Standing[] = [{ is: 'queued' }, { is: 'asking' }, blocked, { is: 'ending' }, givenUp];
  const someCandidates = array(
    record({
      app: constantFrom('web', 'api', 'free'),
      critical: boolean(),
      ready: boolean(),
      standing: constantFrom(...standings),
      askedAtMs: integer({ min: 0, max: 2_000 }),
    }),
    { maxLength: 30 },
  ).map((details) =>
    details.map(({ app, critical, ready, standing, askedAtMs }, index): Candidate => {
      const pod = drainPod(`pod-${index}`, { labels: new Map([['app', app]]), critical, ready });
      return { pod, standing, askedAtMs: standing.is === 'queued' ? undefined : askedAtMs };
    }),
  );
  const api = budget('api', { counts: (labels) => labels.get('app') === 'api' });

  it('respect the bounds, ask nobody twice, and never end or sleep while there is something to do', () => {
    assert(
      property(
        someCandidates,
        integer({ min: 1, max: 5 }),
        boolean(),
        boolean(),
        (candidates, parallelism, known, on) => {
          const whenStuck = on ? 'go-on' : undefined;
          const options = { parallelism, podTimeoutMs: 1_500, gracePeriodSeconds: undefined, whenStuck } as const;
          const budgets = known ? [budget('web'), api] : undefined;
          const taken = steps(candidates, { options, budgets });
          const busy = candidates.filter(({ standing }) => standing.is === 'asking');
          const lanes = taken.ask.map(({ lane }) => lane.key);
          expect(new Set(lanes).size).toBe(lanes.length);
          for (const { pod } of busy) expect(lanes).not.toContain(laneOf(pod, budgets).key);
          expect(taken.ask.length).toBeLessThanOrEqual(Math.max(0, parallelism - busy.length));
          const left = candidates.filter(
            ({ pod, standing }) => standing.is !== 'given-up' && !taken.late.includes(pod),
          );
          const isStuck = !on && candidates.some(({ pod }) => !pod.critical) && left.every(({ pod }) => pod.critical);
          expect(taken.finished).toBe(left.length === 0 || isStuck);
          expect(isStuck ? taken.ask : []).toEqual([]);
          const waitsForSomething = left.some(({ standing }) => standing.is === 'asking' || standing.is === 'ending');
          expect(taken.finished || waitsForSomething || taken.ask.length > 0).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a budget after an eviction', () => {
  it('is spent where the last one that it allowed has gone', () => {
    const before = budget('web', { allowed: 1 });
    expect(isSpent(before, before)).toBe(true);
    expect(isSpent(budget('web', { allowed: 2 }), budget('web', { allowed: 2 }))).toBe(false);
    // The server has counted it already.
    expect(isSpent(before, budget('web', { resourceVersion: '2', allowed: 1 }))).toBe(false);
    expect(isSpent(before, budget('web', { resourceVersion: '2', allowed: 0 }))).toBe(true);
    expect(isSpent(undefined, undefined)).toBe(false);
  });
});
