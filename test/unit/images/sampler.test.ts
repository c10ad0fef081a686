import { describe, expect, it } from 'vitest';

import { sampleUse } from '../../../agent/images/sampler.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedNode } from '../../emulators/node.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './examples.ts';

class Sampled {
  readonly node: EmulatedNode;
  readonly failures: unknown[] = [];
  readonly stop = new AbortController();
  everyMs = 5 * MINUTE_MS;
  samples = 0;

  constructor(node: EmulatedNode) {
    this.node = node;
  }

  async start(): Promise<void> {
    const { gatherer, history, clock } = this.node;
    const options = {
      gatherer,
      history,
      clock,
      everyMs: () => this.everyMs,
      onSample: () => (this.samples += 1),
      onFailure: (error: unknown) => this.failures.push(error),
    };
    await sampleUse(options, this.stop.signal);
  }
}

describe('the sampler of use', () => {
  it('sees a pod that lived for ten seconds between two weekly runs: its image counts as used then', async () => {
    const node = await EmulatedNode.create();
    const { store, clock } = node;
    const sampler = new Sampled(node);
    const id = store.addImage({ tags: ['docker.io/library/cron:1'] });
    void sampler.start();
    await clock.advance(3 * DAY_MS + 2 * MINUTE_MS);

    const container = store.createContainer({ image: id });
    const ranAtMs = clock.nowMs();
    await clock.advance(10 * SECOND_MS);
    store.setContainerState(container, 'exited');
    // The kubelet leaves what exited for a while.
    await clock.advance(6 * MINUTE_MS);
    store.removeContainer(container);
    await clock.advance(4 * DAY_MS);

    await node.restartAgent();
    const { lastUsedMs } = node.history.of(id);
    expect(lastUsedMs).toBeGreaterThanOrEqual(ranAtMs);
    expect(lastUsedMs).toBeLessThanOrEqual(ranAtMs + 6 * MINUTE_MS);
    sampler.stop.abort();
  });

  it('goes on when the runtime is away, and says each time that it is', async () => {
    const node = await EmulatedNode.create();
    const sampler = new Sampled(node);
    void sampler.start();
    await node.clock.advance(0);
    expect(sampler.samples).toBe(1);
    node.faults.add({ times: 3, error: { code: 14, details: 'gone' } });
    await node.clock.advance(HOUR_MS);
    expect(sampler.failures).toHaveLength(3);
    expect(sampler.failures[0]).toMatchObject({ code: 'runtime/unavailable' });
    expect(sampler.samples).toBe(10);
    sampler.stop.abort();
  });

  it('takes a reloaded interval after the next look', async () => {
    const node = await EmulatedNode.create();
    const sampler = new Sampled(node);
    void sampler.start();
    await node.clock.advance(0);
    sampler.everyMs = MINUTE_MS;
    await node.clock.advance(5 * MINUTE_MS);
    expect(sampler.samples).toBe(2);
    await node.clock.advance(5 * MINUTE_MS);
    expect(sampler.samples).toBe(7);
    sampler.stop.abort();
  });

  it('tells the history how often it looks, so that a long interval counts as watched', async () => {
    const clock = new VirtualClock();
    const expected: number[] = [];
    const history = { expectLooks: (ms: number) => expected.push(ms), save: async () => undefined };
    const gatherer = { gather: async () => ({ takenAtMs: 0, images: [], unresolved: [], podsUnchangedMs: 0 }) };
    const stop = new AbortController();
    void sampleUse({ gatherer, history, clock, everyMs: () => HOUR_MS }, stop.signal);
    await clock.advance(HOUR_MS);
    expect(expected).toEqual([HOUR_MS, HOUR_MS]);
    stop.abort();
  });

  it('ends when the agent stops, and calls that no failure', async () => {
    const node = await EmulatedNode.create();
    const sampler = new Sampled(node);
    node.faults.add({ hang: true });
    const ended = sampler.start();
    await node.clock.advance(SECOND_MS);
    sampler.stop.abort();
    await node.clock.run(ended);
    expect([sampler.samples, sampler.failures]).toEqual([0, []]);
  });
});
