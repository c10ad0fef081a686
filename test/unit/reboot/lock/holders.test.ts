import { describe, expect, it } from 'vitest';

import { awayForReboot, type HolderLimits, type HolderNode, heldSlots } from '../../../../agent/reboot/lock/holders.ts';
import { slot } from './slots.ts';

const MINUTE = 60_000;
const nowMs = Date.UTC(2026, 0, 1);
const limits: HolderLimits = {
  comesBackWithinMs: 15 * MINUTE,
  holdsAtMostMs: 120 * MINUTE,
  graceMs: 2 * MINUTE,
  pools: new Set(['workers']),
};
const held = (minutes: number, silentMinutes = minutes, name = 'workers-0') =>
  slot(name, { heldBy: 'a', acquiredAtMs: nowMs - minutes * MINUTE, renewedAtMs: nowMs - silentMinutes * MINUTE });
/** Without a time, as one that was edited by hand may be. */
const seenFor = (minutes: number) => ({ ...slot('workers-0', { heldBy: 'a' }), unchangedForMs: minutes * MINUTE });
const node = (over: Partial<HolderNode> = {}): ReadonlyMap<string, HolderNode> =>
  new Map([['a', { name: 'a', uid: 'uid of a', ready: true, state: 'draining', ...over }]]);
const away = { ready: false, state: 'rebooting' };

describe('what is wrong with a held slot', () => {
  it.each([
    ['nothing while its node drains', held(30), node(), undefined],
    ['nothing while its node is away for a reboot', held(60, 10), node(away), undefined],
    ['that its node never came back', held(60, 16), node(away), 'never-came-back'],
    ['that it is held for too long', held(121, 100), node(), 'holds-long'],
    ['that its Node is gone', held(10), new Map(), 'node-gone'],
    ['that its Node is another', held(10), node({ uid: 'new' }), 'node-replaced'],
    ['that its node does not reboot', held(10), node({ state: undefined }), 'holder-idle'],
    ['that nobody knows its pool', held(10, 10, 'old-0'), node(), 'unknown-pool'],
    ['that no Node owns it', { ...held(10), holder: { node: 'a', uid: undefined } }, node(), 'no-owner'],
    ['nothing while the garbage collector may be about to come', held(1), new Map(), undefined],
    ['nothing where no time is known', slot('workers-0', { heldBy: 'a' }), node(away), undefined],
    ['that its node never came back, by how long it is seen so', seenFor(16), node(away), 'never-came-back'],
    [
      'the same where its time is yet to come',
      { ...held(-600), unchangedForMs: 16 * MINUTE },
      node(away),
      'never-came-back',
    ],
    [
      'nothing while a time that is yet to come is news',
      { ...held(-600), unchangedForMs: MINUTE },
      node(away),
      undefined,
    ],
    ['that one without a time is held for too long', seenFor(121), node(), 'holds-long'],
  ])('is %s', (_, one, nodes, code) => {
    const [found] = heldSlots([one], nodes, limits, nowMs);
    expect(found?.problem?.code).toBe(code);
    expect(found?.problem?.text ?? one.name).toContain(one.name);
  });

  it('is asked of held slots alone, with how long they are held', () => {
    expect(heldSlots([slot('workers-1'), held(5)], node(), limits, nowMs)).toMatchObject([
      { node: 'a', heldSeconds: 300, problem: undefined },
    ]);
  });

  it('is said with what to do', () => {
    const [found] = heldSlots([held(40, 20)], node(away), limits, nowMs);
    expect(found?.problem?.text).toBe(
      'node a holds nodetender-workers-0 for 40 min and is not Ready: the roll waits for it. If it is not coming back, delete the Node, or free the slot: nodetender lock release nodetender-workers-0',
    );
  });
});

it('who never came back is not away for a reboot any more, so that others see an ill node', () => {
  const late = slot('workers-1', { heldBy: 'b', renewedAtMs: nowMs - 16 * MINUTE });
  expect(awayForReboot([held(60, 14), late, slot('workers-2')], limits, nowMs)).toEqual(new Set(['a']));
  expect(awayForReboot([seenFor(14)], limits, nowMs)).toEqual(new Set(['a']));
  expect(awayForReboot([seenFor(16)], limits, nowMs)).toEqual(new Set());
});
