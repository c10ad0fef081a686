import { describe, expect, it } from 'vitest';

import type { ImageListView } from '../../../agent/eraser/imagelist.ts';
import { decodeRun, encodeRun, isDue, nextStep, type RunRecord } from '../../../agent/eraser/run.ts';

const uid = 'a';
const list: ImageListView = {
  name: 'imagelist',
  uid,
  generation: 2,
  resourceVersion: '9',
  rules: [],
  refused: [],
  hasStatus: false,
  run: undefined,
};

function run(changes: Partial<RunRecord> = {}): RunRecord {
  return {
    uid,
    generation: 2,
    state: 'running',
    startedAt: '2026-01-01T00:00:00.000Z',
    nodes: 3,
    newestNode: '2026-01-01T00:00:00Z',
    reported: 0,
    ...changes,
  };
}

describe('the reporter', () => {
  it('begins a new list', () => {
    expect(nextStep(list, undefined, undefined)).toBe('begin');
  });

  it('adopts a list that carries a status when it is first seen: a forgotten * must not run at installation', () => {
    expect(nextStep({ ...list, hasStatus: true }, undefined, undefined)).toBe('adopt');
    expect(nextStep({ ...list, hasStatus: true }, run({ state: 'adopted' }), undefined)).toBe('none');
  });

  it('begins an adopted or finished list again when it changes', () => {
    const changed = { ...list, hasStatus: true, generation: 3 };
    expect(nextStep(changed, run({ state: 'adopted' }), undefined)).toBe('begin');
    expect(nextStep(changed, run({ state: 'finished' }), 2)).toBe('begin');
    expect(nextStep(changed, run(), undefined)).toBe('begin');
  });

  it('follows what is under way and leaves what is finished', () => {
    expect(nextStep(list, run(), undefined)).toBe('follow');
    expect(nextStep({ ...list, hasStatus: true }, run({ state: 'finished' }), 2)).toBe('none');
  });

  it('takes a mark copied from another object for no mark', () => {
    expect(nextStep(list, run({ uid: 'b', state: 'finished' }), undefined)).toBe('begin');
    expect(nextStep({ ...list, hasStatus: true }, run({ uid: 'b' }), undefined)).toBe('adopt');
  });

  it('knows from the nodes that a list changed whose mark somebody took away', () => {
    expect(nextStep({ ...list, hasStatus: true }, undefined, 1)).toBe('begin');
    expect(nextStep({ ...list, hasStatus: true }, undefined, 2)).toBe('adopt');
  });
});

describe('a node', () => {
  const old = { createdAt: '2025-01-01T00:00:00Z', result: undefined };
  const done = { uid, generation: 2, outcome: 'success', at: '2026-01-01T00:00:00Z' } as const;

  it('runs a list when its run is under way, and once', () => {
    const under = { ...list, run: run() };
    expect(isDue(under, old)).toBe(true);
    expect(isDue(under, { ...old, result: done })).toBe(false);
    expect(isDue(under, { ...old, result: { ...done, generation: 1 } })).toBe(true);
    expect(isDue(under, { ...old, result: { ...done, uid: 'b' } })).toBe(true);
  });

  it('does not run what nobody has begun, what is finished, or an older generation', () => {
    expect(isDue(list, old)).toBe(false);
    expect(isDue({ ...list, run: run({ state: 'finished' }) }, old)).toBe(false);
    expect(isDue({ ...list, run: run({ state: 'adopted' }) }, old)).toBe(false);
    expect(isDue({ ...list, run: run({ generation: 1 }) }, old)).toBe(false);
    expect(isDue({ ...list, run: run({ uid: 'b' }) }, old)).toBe(false);
  });

  it('that came after the run began is not part of it', () => {
    const under = { ...list, run: run() };
    expect(isDue(under, { ...old, createdAt: '2026-01-01T00:00:00Z' })).toBe(true);
    expect(isDue(under, { ...old, createdAt: '2026-01-01T00:00:01Z' })).toBe(false);
  });
});

describe('the mark', () => {
  it('is read as it was written', () => {
    expect(decodeRun(encodeRun(run()))).toEqual(run());
  });

  it.each([undefined, 7, '', '{', 'null', '[]', '{"uid":"a"}', encodeRun(run({ nodes: -1 })), `"${'x'.repeat(2000)}"`])(
    'is none when somebody made it %j',
    (value) => {
      expect(decodeRun(value)).toBeUndefined();
    },
  );
});
