import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeView } from '../../../agent/cluster/node.ts';
import { viewOfNode } from '../../../agent/cluster/node.ts';
import { type Config, parseConfig } from '../../../agent/config/load.ts';
import { RebootsWhenEnabled } from '../../../agent/duties/reboots.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import { createLogger } from '../../../agent/observe/log.ts';
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

function nodeWith(labels: Record<string, string>): NodeView {
  return viewOfNode({ metadata: { name: 'node-1', uid: 'u', resourceVersion: '1', labels } });
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
