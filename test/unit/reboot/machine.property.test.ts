import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { next } from '../../../agent/reboot/machine.ts';
import { isUrgent } from '../../../agent/reboot/machine/need.ts';
import { decodeState, encodeState } from '../../../agent/reboot/record.ts';
import type { Settings } from '../../../agent/reboot/settings.ts';
import type { Effect, Observation, State, Step } from '../../../agent/reboot/state.ts';
import { anyFacts, anySettings, anyState } from './anything.ts';

interface Case {
  readonly state: State;
  readonly facts: Observation;
  readonly settings: Settings;
  readonly step: Step;
}

/** Generated once for all: it takes longer than looking at them. Reproducible: the seed is fixed. */
const cases: readonly Case[] = fc
  .sample(fc.tuple(anyState, anyFacts, anySettings), { numRuns: 6_000, seed: 5 })
  .map(([state, facts, settings], index) =>
    index % 3 === 0 ? { state, facts, settings } : aimed(state, facts, settings),
  )
  .map(({ state, facts, settings }) => ({ state, facts, settings, step: next(state, facts, settings, () => 0.5) }));

/** The same with facts that speak of this very node in this very boot: the interesting effects are rare otherwise. */
function aimed(state: State, facts: Observation, settings: Settings): Omit<Case, 'step'> {
  const node = facts.node && { ...facts.node, uid: state.nodeUid };
  const isDraining = state.phase === 'draining' && facts.drain.kind === 'none';
  const drain = isDraining ? ({ kind: 'done', doneForMs: 5_000 } as const) : facts.drain;
  const isWaiting = state.phase === 'waiting' || state.phase === 'backing-off' || state.phase === 'releasing';
  const slot = isWaiting && facts.lock?.kind === 'held' && facts.lock.checked ? facts.lock.slot : state.slot;
  const request = node?.request === state.requestHandled ? undefined : node?.request;
  // Some hear of a new request, or of one that is gone, at this very moment.
  const knowsIt = state.phase === 'draining' && state.failures % 5 > 0;
  const need = state.need && { ...state.need, request: knowsIt ? request : state.need.request };
  return {
    state: { ...state, need, slot, bootId: facts.bootId, lastReboot: undefined },
    facts: { ...facts, node, drain: isWaiting ? { kind: 'none' } : drain },
    settings,
  };
}

const kinds = ({ effects }: Step): string[] => effects.map(({ kind }) => kind);
const having = (kind: Effect['kind']): readonly Case[] => cases.filter(({ step }) => kinds(step).includes(kind));

/** The first of `among` of which one of the rules does not hold, with the rule. */
function broken(among: readonly Case[], rules: Readonly<Record<string, (one: Case) => boolean>>): unknown {
  for (const one of among) {
    const rule = Object.entries(rules).find(([, holds]) => !holds(one));
    if (rule !== undefined) return [rule[0], one];
  }
  return undefined;
}

/** One that is wanted now no longer has never had a window that could close. */
const isOpen = ({ facts, settings, state, step }: Case): boolean =>
  facts.window.open || isUrgent(step.state.need) || (settings.whenWindowCloses === 'go-on' && !isUrgent(state.need));
const heldForMs = ({ facts }: Case): number => (facts.lock?.kind === 'held' ? facts.lock.heldForMs : -1);
const isClear = ({ facts }: Case, question: 'gates' | 'drain'): boolean =>
  facts.answers[question]?.blockedBy.length === 0;
const askedAgoMs = ({ facts }: Case): number => facts.answers.gates?.askedAgoMs ?? Infinity;

describe('from any state, by any facts', () => {
  it('a reboot is ordered only of a drained, cordoned node with a slot, clear gates and an open window', () => {
    const orders = having('reboot');
    expect(orders.length).toBeGreaterThan(10);
    const found = broken(orders, {
      'it was draining': ({ state }) => state.phase === 'draining',
      'it is drained': ({ facts, settings }) =>
        facts.drain.kind === 'done' || (facts.drain.kind === 'failed' && settings.whenStuck === 'go-on'),
      'it has a slot': ({ facts }) => facts.lock?.kind === 'held',
      'it is cordoned': ({ facts }) => facts.node?.unschedulable === true,
      'it is the Node of the record': ({ facts, state }) => facts.node?.uid === state.nodeUid,
      'nobody holds it': ({ facts }) => facts.node?.hold === undefined && facts.paused === false,
      'the gates are clear': (one) => isClear(one, 'gates'),
      'they were asked after the drain': (one) =>
        (one.facts.drain.kind === 'done' && askedAgoMs(one) <= one.facts.drain.doneForMs) ||
        (one.facts.drain.kind === 'failed' && askedAgoMs(one) <= one.facts.drain.failedForMs),
      'the window is open': isOpen,
      'the last boot is long ago': ({ facts, settings, step }) =>
        facts.uptimeMs >= settings.minIntervalMs || isUrgent(step.state.need),
      'it is wanted': ({ facts }) => facts.sentinel?.wanted === true || facts.node?.request !== undefined,
      'the record comes first': ({ step, facts }) =>
        kinds(step)[0] === 'record' && step.state.phase === 'rebooting' && step.state.bootId === facts.bootId,
      'nothing but a word to people stands between the last write on the Lease and the order': ({ step }) =>
        kinds(step).slice(-5).join(' ') === 'confirm event notify reboot wait',
    });
    expect(found).toBeUndefined();
  });

  it('a cordon needs a slot that was checked, answers given since, and nothing in the way', () => {
    const cordons = having('cordon');
    expect(cordons.length).toBeGreaterThan(10);
    const found = broken(cordons, {
      'it was waiting': ({ state }) => state.phase === 'waiting',
      'the slot was checked': ({ facts }) => facts.lock?.kind === 'held' && facts.lock.checked,
      'the gates are clear': (one) => isClear(one, 'gates'),
      'they were asked since': (one) => askedAgoMs(one) <= heldForMs(one),
      'the drain can succeed': (one) => isClear(one, 'drain') || one.settings.whenStuck === 'go-on',
      'the window is open': ({ facts, step }) => facts.window.open || isUrgent(step.state.need),
      'nobody holds it': ({ facts }) => facts.node?.hold === undefined && facts.paused === false,
      'the record says with which slot': ({ state, facts }) =>
        facts.lock?.kind === 'held' && facts.lock.slot === state.slot,
      'nobody has cordoned it': ({ facts }) => facts.node?.unschedulable === false,
      'the record says that it is ours': ({ step }) => step.state.phase === 'cordoned' && step.state.cordonedByUs,
    });
    expect(found).toBeUndefined();
  });

  it('a slot that a cordon may have been sent with is neither given back nor tried for before the Node is written', () => {
    const risks = cases.filter(
      ({ state, step }) =>
        state.phase === 'waiting' &&
        state.slot !== undefined &&
        step.effects.some(
          (effect) => effect.kind === 'acquire' || (effect.kind === 'release' && effect.slot === state.slot),
        ),
    );
    expect(risks.length).toBeGreaterThan(10);
    const found = broken(risks, {
      'a write of the record comes first': ({ step }) => ['record', 'uncordon'].includes(kinds(step)[0] ?? ''),
      'it changes': ({ state, step }) => encodeState(step.state) !== encodeState(state),
    });
    expect(found).toBeUndefined();
  });

  it('only a cordon of ours is taken away, and not while pods are being evicted', () => {
    const uncordons = having('uncordon');
    expect(uncordons.length).toBeGreaterThan(20);
    const found = broken(uncordons, {
      'it is ours': ({ state }) => state.cordonedByUs,
      'the record says that it is gone': ({ step }) => !step.state.cordonedByUs,
      'nothing drains': ({ facts }) => facts.drain.kind === 'none',
      'it is the Node of the record': ({ facts, state }) => facts.node?.uid === state.nodeUid,
    });
    expect(found).toBeUndefined();
  });

  it('no two effects of one step contradict each other, and it says when to look again', () => {
    const count = (step: Step, ...among: string[]): number => kinds(step).filter((kind) => among.includes(kind)).length;
    const releases = ({ effects }: Step): string[] =>
      effects.flatMap((effect) => (effect.kind === 'release' ? [effect.slot] : []));
    const found = broken(cases, {
      'at most one write of the Node': ({ step }) => count(step, 'record', 'cordon', 'uncordon') <= 1,
      'it drains or it stops': ({ step }) => count(step, 'drain', 'stop-drain') <= 1,
      'each slot is released once': ({ step }) => new Set(releases(step)).size === releases(step).length,
      'what goes on keeps its slot': ({ step, facts }) =>
        count(step, 'acquire', 'confirm', 'reboot', 'drain', 'cordon') === 0 ||
        facts.lock?.kind !== 'held' ||
        !releases(step).includes(facts.lock.slot),
      'one wait, the last, not long and not past': ({ step, facts }) => {
        const last = step.effects.at(-1);
        if (last?.kind !== 'wait' || count(step, 'wait') !== 1) return false;
        return last.untilMs >= facts.nowMs && last.untilMs <= facts.nowMs + 60_000;
      },
      'the state is the one before or the one that is written': ({ step, state }) => {
        const write = step.effects.find((effect) => 'state' in effect);
        return step.state === (write === undefined ? state : write.state);
      },
    });
    expect(found).toBeUndefined();
  });

  it('without the Node nothing is done', () => {
    const unseen = cases.filter(({ facts }) => facts.node === undefined);
    expect(unseen.length).toBeGreaterThan(50);
    expect(broken(unseen, { 'it waits': ({ step }) => kinds(step).join(' ') === 'wait' })).toBeUndefined();
  });

  it('nobody is told of a reboot unless the boot ID says so', () => {
    const told = cases.filter(({ step, state }) => step.state.reason !== state.reason);
    const found = broken(told, {
      rebooted: ({ step, state, facts }) => step.reason.code !== 'boot-id-changed' || state.bootId !== facts.bootId,
      proven: ({ step, state, facts }) =>
        step.reason.code !== 'proven' || state.phase !== 'verifying' || state.lastReboot?.bootId === facts.bootId,
    });
    expect(found).toBeUndefined();
  });

  it('the record has room for it, and says the same when it is read again', () => {
    const text = (one: Case): string => encodeState(one.step.state);
    const found = broken(cases, {
      'it is bounded': (one) => Buffer.byteLength(text(one)) <= 4096,
      'it reads back': (one) => {
        const decoded = decodeState(text(one));
        return decoded.ok && encodeState(decoded.value) === text(one);
      },
      'the next life goes on from the same need': (one) => {
        const decoded = decodeState(text(one));
        const { need } = one.step.state;
        const read = decoded.ok ? decoded.value.need : undefined;
        return read?.sinceMs === need?.sinceMs && read?.writtenAtMs === need?.writtenAtMs;
      },
    });
    expect(found).toBeUndefined();
  });
});
