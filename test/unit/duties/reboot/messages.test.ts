import { beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../agent/config/load.ts';
import { openMessages } from '../../../../agent/duties/reboot/messages.ts';
import type { RebootDutyOptions } from '../../../../agent/duties/reboot/reboot.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import { Metrics } from '../../../../agent/observe/metrics.ts';
import { VirtualClock } from '../../../emulators/clock.ts';

const target = 'generic+https://chat.example.com/the-secret';
const note = { event: 'reboot', node: 'node-1', pool: 'workers', reason: 'the kernel' } as const;

let clock: VirtualClock;
let metrics: Metrics;
let logged: string;
let status: number;
/** Of the chat, until it answers. */
let latencyMs: number;
let arrivedAtMs: number[];
let messages: Pick<RebootDutyOptions, 'notify' | 'notesSent'>;
beforeEach(() => {
  clock = new VirtualClock();
  metrics = new Metrics({ version: 'test', commit: 'test' });
  logged = '';
  status = 200;
  latencyMs = 0;
  arrivedAtMs = [];
  const config = parseConfig(JSON.stringify({ reboot: { notify: { to: [{ url: target }] } } }), 'test').reboot;
  messages = openMessages({
    config: () => config,
    env: {},
    exchange: async () => {
      await clock.sleep(latencyMs);
      arrivedAtMs.push(clock.monotonicMs());
      return { status, retryAfter: undefined, body: '' };
    },
    metrics,
    clock,
    random: () => 0.5,
    log: createLogger({ level: 'info', stream: { write: (line) => void (logged += line) } }),
    signal: new AbortController().signal,
  });
});

/** When the agent goes on to the order, having waited for `ms` at most. */
async function goesOnAfter(ms: number): Promise<number> {
  const sinceMs = clock.monotonicMs();
  await clock.run(messages.notesSent(ms));
  return clock.monotonicMs() - sinceMs;
}

describe('messages of reboots', () => {
  it('have arrived before the agent goes on that waits for them', async () => {
    latencyMs = 2_000;
    messages.notify(note);
    expect(await goesOnAfter(3_000)).toBe(2_000);
    expect(arrivedAtMs).toEqual([2_000]);
  });

  it('keep nobody any longer than he wants to wait', async () => {
    latencyMs = 60_000;
    messages.notify(note);
    expect(await goesOnAfter(3_000)).toBe(3_000);
    expect(arrivedAtMs).toEqual([]);
  });

  it('keep nobody where nothing was told', async () => {
    expect(await goesOnAfter(3_000)).toBe(0);
  });

  it('are counted, and missed in the log where they are lost, without the secret', async () => {
    messages.notify(note);
    await goesOnAfter(3_000);
    status = 404;
    messages.notify(note);
    await goesOnAfter(3_000);
    const { body } = await metrics.page();
    expect(body).toContain('nodetender_notifications_total{outcome="sent"} 1');
    expect(body).toContain('nodetender_notifications_total{outcome="dropped"} 1');
    expect(logged).toContain('a message is lost');
    expect(logged).not.toContain('the-secret');
  });
});
