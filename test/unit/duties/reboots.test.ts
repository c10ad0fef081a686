import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeView } from '../../../agent/cluster/node.ts';
import { viewOfNode } from '../../../agent/cluster/node.ts';
import { type Config, parseConfig } from '../../../agent/config/load.ts';
import { RebootsWhenEnabled } from '../../../agent/duties/reboots.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { encodeState } from '../../../agent/reboot/record.ts';
import { initialState, type State } from '../../../agent/reboot/state.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const off = parseConfig('{}', 'test');
const on = parseConfig('reboot: { enabled: true }', 'test');

let config: Config;
let node: NodeView | undefined;
let happened: string[];
let refusals: number;
let stop: AbortController;
let clock: VirtualClock;
beforeEach(() => {
  config = off;
  node = undefined;
  happened = [];
  refusals = 0;
  stop = new AbortController();
  clock = new VirtualClock();
});
afterEach(() => stop.abort());

function reboots(): RebootsWhenEnabled {
  const duty = new RebootsWhenEnabled({
    config: () => config,
    node: () => node,
    open: async () => {
      happened.push('opened');
      refusals -= 1;
      if (refusals >= 0) throw new NodetenderError('host/no-boot', 'no /proc');
      return await Promise.resolve({
        look: () => void happened.push('look'),
        work: async (signal: AbortSignal) => {
          await clock.sleep(1e9, signal);
          happened.push('ended');
        },
      });
    },
    onFailed: ({ message }) => void happened.push(message),
    clock,
    log: createLogger({ level: 'error', stream: { write: () => undefined } }),
  });
  void duty.work(stop.signal);
  return duty;
}

function nodeWith(labels: Record<string, string>, annotations: Record<string, string> = {}): NodeView {
  return viewOfNode({ metadata: { name: 'node-1', uid: 'u', resourceVersion: '1', labels, annotations } });
}

/** Without the label, which somebody has taken away. */
function nodeWithRecord(record: string): NodeView {
  return nodeWith({}, { 'nodetender.dev/reboot-status': record });
}

function recorded(change: Partial<State> = {}): string {
  return encodeState({ ...initialState('u', 0), ...change }, { name: 'default', slots: 1 });
}

describe('reboots', () => {
  it('begin when the configuration allows them, also while the agent runs, and hear of changes from then on', async () => {
    const duty = reboots();
    await clock.advance(60_000);
    duty.look();
    await clock.advance(0);
    expect(happened).toEqual([]);
    config = on;
    duty.look();
    await clock.advance(0);
    duty.look();
    expect(happened).toEqual(['opened', 'look']);
    stop.abort();
    await clock.advance(0);
    expect(happened).toEqual(['opened', 'look', 'ended']);
  });

  it('that are forbidden while one is under way are opened to undo it', async () => {
    const duty = reboots();
    node = nodeWith({ pool: 'a' });
    duty.look();
    await clock.advance(0);
    expect(happened).toEqual([]);
    node = nodeWith({ 'nodetender.dev/state': 'cordoned' });
    duty.look();
    await clock.advance(0);
    expect(happened).toEqual(['opened']);
  });

  it.each([
    ['a cordon of theirs', recorded({ phase: 'cordoned', cordonedByUs: true })],
    ['a cordon that a damaged idle record has', recorded({ cordonedByUs: true })],
    ['a mark', recorded({ marks: ['scale-down'] })],
    ['a slot', recorded({ slot: 'nodetender-default-0' })],
    ['a node that waits', recorded({ phase: 'waiting' })],
    ['what a record that cannot be read was of', '{"phase":"idle"'],
    ['what a record that says nothing was of', '{}'],
  ])('that are forbidden are opened to undo %s, also where the label of the state is gone', async (_, record) => {
    node = nodeWithRecord(record);
    reboots();
    await clock.advance(0);
    expect(happened).toEqual(['opened']);
  });

  it('that are forbidden stay so where the record says that all is given back', async () => {
    const lastReboot = { bootId: 'boot-2', atMs: 0, judged: true, announced: true };
    node = nodeWithRecord(recorded({ lastReboot, requestHandled: 'one' }));
    reboots().look();
    await clock.advance(60_000);
    expect(happened).toEqual([]);
  });

  it('that cannot begin are reported and tried again, while the agent goes on', async () => {
    config = on;
    refusals = 1;
    reboots();
    await clock.advance(60_000);
    expect(happened).toEqual(['opened', 'no /proc']);
    await clock.advance(5 * 60_000);
    expect(happened).toEqual(['opened', 'no /proc', 'opened']);
  });
});
