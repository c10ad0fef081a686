import { describe, expect, it } from 'vitest';
import { type Roll, rollOf } from '../../../agent/cli/roll.ts';
import { remarks, tables } from '../../../agent/cli/rollview.ts';
import type { SeenSlot } from '../../../agent/cli/slots.ts';
import { Changes, drawn } from '../../../agent/cli/statuswatch.ts';
import type { NodeView } from '../../../agent/cluster/node.ts';
import { defaultConfig, parseConfig } from '../../../agent/config/load.ts';
import { encodeState, type RecordedPool } from '../../../agent/reboot/record.ts';
import { initialState, type Need, type State } from '../../../agent/reboot/state.ts';
import { strangeNode } from './nodeexamples.ts';
import { RecordedTerminal } from './terminal.ts';

const nowMs = Date.UTC(2026, 2, 1, 12);
const minuteMs = 60_000;

/** A Node whose agent has recorded this; undefined: nothing. */
function member(name: string, change?: Partial<State>, view: Partial<NodeView> = {}, pool?: RecordedPool): NodeView {
  const uid = `uid-${name}`;
  const state = { ...initialState(uid, nowMs - 5 * minuteMs), ...change };
  const annotations = new Map(change === undefined ? [] : [['reboot-status', encodeState(state, pool)]]);
  return { ...strangeNode(), name, uid, annotations, ...view };
}

function wanted(minutesAgo: number, request?: string): Pick<State, 'need'> {
  const need: Need = { kind: 'sentinel', sinceMs: nowMs - minutesAgo * minuteMs, packages: ['linux-image'], request };
  return { need };
}

function slot(change: Partial<SeenSlot> = {}): SeenSlot {
  return {
    name: 'nodetender-default-0',
    namespace: 'nodetender',
    uid: 'lease-1',
    pool: 'default',
    resourceVersion: '1',
    holder: undefined,
    hint: undefined,
    acquiredAtMs: nowMs - 4 * minuteMs,
    renewedAtMs: nowMs - minuteMs,
    ...change,
  };
}

function heldBy(node: string, change: Partial<SeenSlot> = {}): SeenSlot {
  return slot({ holder: { node, uid: `uid-${node}` }, ...change });
}

function roll(nodes: readonly NodeView[], slots: readonly SeenSlot[] = []): Roll {
  return rollOf(nodes, slots, { ...defaultConfig.reboot, isGiven: false }, nowMs);
}

const waiting = { phase: 'waiting', reason: { code: 'waiting-for-slot', text: 'nothing stands in the way' } } as const;
const draining = { phase: 'draining', reason: { code: 'pods-leaving', text: 'the pods are being evicted' } } as const;
const blocked = { phase: 'wanted', reason: { code: 'gate-blocks', text: 'blocked by prometheus: HighLoad' } } as const;
const failed = {
  phase: 'backing-off',
  reason: { code: 'drain-failed', text: 'the drain failed' },
  failures: 2,
} as const;

describe('the roll', () => {
  it('has who holds a slot first, then the queue with the oldest need first, then who is blocked, then who failed', () => {
    const nodes = [
      member('a-failed', { ...failed, ...wanted(9), retryAtMs: nowMs + minuteMs }),
      member('b-idle', {}),
      member('c-blocked', { ...blocked, ...wanted(30) }),
      member('d-young', { ...waiting, ...wanted(2) }),
      member('e-old', { ...waiting, ...wanted(7) }),
      member('f-busy', { ...draining, ...wanted(8), cordonedByUs: true }, { unschedulable: true }),
    ];
    const seen = roll(nodes, [heldBy('f-busy')]);
    expect(seen.nodes.map(({ name, place }) => [name, place])).toEqual([
      ['f-busy', undefined],
      ['e-old', 1],
      ['d-young', 2],
      ['c-blocked', undefined],
      ['a-failed', undefined],
    ]);
    expect(seen.pools).toMatchObject([
      { name: 'default', slots: 1, held: 1, waiting: 2, blocked: 1, failed: 1, nodes: 6, notReady: 0 },
    ]);
    expect(tables(seen, { nowMs, wide: false, terminal: new RecordedTerminal(), width: undefined })).toBe(
      [
        'POOL     HELD  WAITING  BLOCKED  FAILED  NODES  HEALTH',
        'default   1/1        2        1       1      6  all Ready',
        '',
        'POOL     NODE       STATE        FOR  SLOT                         WANTED  BY        REASON',
        'default  f-busy     draining      5m  nodetender-default-0 for 4m      8m  sentinel  the pods are being evicted',
        'default  e-old      waiting       5m  next                             7m  sentinel  pool default lets 1 at a time: f-busy holds nodetender-default-0 since 2026-03-01T11:56Z',
        'default  d-young    waiting       5m  place 2                          2m  sentinel  pool default lets 1 at a time: f-busy holds nodetender-default-0 since 2026-03-01T11:56Z',
        'default  c-blocked  wanted        5m  <none>                          30m  sentinel  blocked by prometheus: HighLoad',
        'default  a-failed   backing-off   5m  <none>                           9m  sentinel  the drain failed',
        '',
      ].join('\n'),
    );
    expect(remarks(seen, undefined)).toBe('\n5 nodes on the way, 1 to be looked at\n');
  });

  it('tells who waits that the cluster lets only one at a time, whatever its pool', () => {
    const controlPlane = { labels: new Map([['node-role.kubernetes.io/control-plane', '']]) };
    const nodes = [member('cp-1', draining, controlPlane), member('web-1', { ...waiting, ...wanted(1) })];
    const { pools, nodes: rolls } = roll(nodes, [
      heldBy('cp-1', { name: 'nodetender-control-plane-0', pool: 'control-plane' }),
    ]);
    expect(pools.map(({ name, held }) => [name, held])).toEqual([
      ['control-plane', 1],
      ['default', 0],
    ]);
    expect(rolls[1]?.reason).toMatchObject({
      code: 'cap-reached',
      text: expect.stringMatching(/^the cluster lets 1 at a time: cp-1 holds/),
    });
  });

  it('believes the agents which pool a node is of, and says whose slots it cannot count', () => {
    const seen = roll([member('web-1', { ...waiting, ...wanted(1) }, {}, { name: 'workers' })]);
    expect(seen.pools).toMatchObject([{ name: 'workers', slots: undefined, waiting: 1 }]);
    expect(seen.nodes[0]?.reason.code).toBe('waiting-for-slot');
    expect(remarks(seen, undefined)).toContain('how many slots workers may have');
  });

  it('counts slots and cap as the agents have recorded them last, unless a configuration is given', () => {
    const workers = (slots: number, cap?: number): RecordedPool => ({ name: 'workers', slots, cap });
    const nodes = [
      member('web-1', { ...waiting, ...wanted(1), sinceMs: nowMs - minuteMs }, {}, workers(2)),
      member('web-2', { ...draining, ...wanted(9), sinceMs: nowMs - 8 * minuteMs }, {}, workers(1, 1)),
      member('web-3', {}, {}, { name: 'share' }),
    ];
    const seen = roll(nodes, [heldBy('web-2', { name: 'nodetender-workers-0', pool: 'workers' })]);
    expect(seen.pools).toMatchObject([
      { name: 'share', slots: undefined },
      { name: 'workers', slots: 2, held: 1 },
    ]);
    expect(seen.nodes[1]?.reason.text).toBe('a slot of pool workers is free and goes to the oldest need first');
    expect(remarks(seen, undefined)).toContain('how many slots share may have');
    const given = parseConfig('reboot: { pools: [{ name: workers, concurrency: 5 }] }', 'test').reboot;
    expect(rollOf(nodes, [], { ...given, isGiven: true }, nowMs).pools).toContainEqual(
      expect.objectContaining({ name: 'workers', slots: 5 }),
    );
  });

  it('says what is wrong with a holder', () => {
    const ago = { acquiredAtMs: nowMs - 60 * minuteMs, renewedAtMs: nowMs - 50 * minuteMs };
    const lost = member('web-1', { phase: 'rebooting', ...wanted(50) }, { ready: false });
    expect(roll([lost], [heldBy('web-1', ago)]).nodes[0]?.reason).toMatchObject({
      code: 'never-came-back',
      text: expect.stringMatching(/nodetender lock release nodetender-default-0$/),
    });
    const [gone] = roll([member('web-2', {})], [heldBy('web-9', ago)]).nodes;
    expect(gone).toMatchObject({
      name: 'web-9',
      phase: 'gone',
      slot: 'nodetender-default-0',
      reason: { code: 'node-gone' },
    });
    const [idle] = roll([member('web-1', {})], [heldBy('web-1', ago)]).nodes;
    expect(idle).toMatchObject({ phase: 'idle', reason: { code: 'holder-idle' } });
  });

  it('has a request that no agent has taken up, and a record that cannot be read', () => {
    const asked = member('web-1', undefined, { annotations: new Map([['reboot', 'now']]) });
    const held = member('web-2', undefined, {
      annotations: new Map([
        ['reboot', 'now'],
        ['hold', 'disk copy'],
      ]),
    });
    const broken = member('web-3', undefined, { annotations: new Map([['reboot-status', '{']]) });
    const seen = roll([asked, held, broken]);
    expect(seen.nodes.map(({ phase, reason }) => [phase, reason.text])).toEqual([
      ['requested', 'no agent has taken the request up'],
      ['requested', 'the node is held: disk copy'],
      ['unreadable', 'the record of its reboot cannot be read'],
    ]);
    expect(seen.problems).toEqual([expect.stringMatching(/^node\/web-3: annotation nodetender\.dev\/reboot-status/)]);
  });

  it('counts a sick pool, in which no reboot begins', () => {
    const sick = ['a', 'b'].map((name) => member(name, {}, { ready: false }));
    const [pool] = roll([...sick, member('c', {})]).pools;
    expect(pool).toMatchObject({ notReady: 2, health: { kind: 'unhealthy', nodes: ['a', 'b'] } });
    const text = tables(roll(sick), { nowMs, wide: false, terminal: new RecordedTerminal(), width: undefined });
    expect(text).toContain('no reboot begins: 2 of 2 nodes of the pool are not healthy');
  });

  it('has nothing where nothing is wanted', () => {
    expect(roll([member('web-1'), member('web-2', {})], [slot()]).nodes).toEqual([]);
    const control = { namespace: 'kube-system', exists: true, reason: 'incident 4711' };
    expect(remarks(roll([member('web-1')]), control)).toBe(
      '\nno reboot is wanted\nreboots are paused by configmap/nodetender-control in kube-system: incident 4711\n',
    );
  });
});

describe('what changes in a roll', () => {
  function told(...moments: readonly [readonly NodeView[], readonly SeenSlot[]][]): string[][] {
    let lines: string[] = [];
    const changes = new Changes((line) => lines.push(line));
    return moments.map(([nodes, slots]) => {
      lines = [];
      changes.tell(roll(nodes, slots), nodes, slots, { isMeant: () => true });
      return lines;
    });
  }

  it('is told once, in lines: slots that change hands, nodes that go on, nodes that are done', () => {
    const done = { reason: { code: 'nothing-wanted', text: 'rebooted, well, and handed on' } } as const;
    const queue = [member('b', { ...waiting, ...wanted(1) })];
    expect(
      told(
        [[member('a', { ...waiting, ...wanted(2) }), ...queue], [slot()]],
        [[member('a', { ...draining, ...wanted(2) }), ...queue], [heldBy('a')]],
        [[member('a', { ...draining, ...wanted(2) }, { ready: false }), ...queue], [heldBy('a')]],
        [[member('a', { ...draining, ...wanted(2) }), ...queue], [heldBy('a')]],
        [[member('a', done), ...queue], [slot()]],
        [queue, [slot()]],
      ),
    ).toEqual([
      ['node/a waiting: for a slot of pool default', 'node/b waiting: for a slot of pool default'],
      ['lease/nodetender-default-0 is held by node/a', 'node/a draining: the pods are being evicted'],
      ['node/a is not Ready'],
      [],
      ['lease/nodetender-default-0 is free', 'node/a idle: rebooted, well, and handed on'],
      ['node/a is gone'],
    ]);
  });

  it('is told of a pause of all, why, and of its end', () => {
    const lines: string[] = [];
    const changes = new Changes((line) => lines.push(line));
    const control = { namespace: 'kube-system', exists: true };
    for (const reason of [undefined, 'incident 4711', 'incident 4711', undefined]) {
      changes.tellPause({ ...control, reason });
    }
    expect(lines).toEqual([
      'reboots are paused by configmap/nodetender-control in kube-system: incident 4711',
      'reboots are paused no more',
    ]);
  });

  it('begins with saying that nothing is wanted', () => {
    expect(told([[member('a')], []], [[member('a')], []])).toEqual([['no reboot is wanted'], []]);
  });

  it('is drawn over what was there, no longer than the screen', () => {
    const screen = drawn('one\ntwo\nthree\nfour\n', 4);
    expect(screen).toBe('\u001B[Hone\u001B[K\ntwo\u001B[K\n… 2 more lines\u001B[K\n\u001B[J');
  });
});
