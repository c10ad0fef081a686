import { describe, expect, it } from 'vitest';

import { Gatherer } from '../../../agent/images/gather.ts';
import { History } from '../../../agent/images/history.ts';
import { sampleUse } from '../../../agent/images/sampler.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { Faults } from '../../emulators/runtime/faults.ts';
import { inMemoryPort } from '../../emulators/runtime/in-memory-port.ts';
import { RuntimeStore } from '../../emulators/runtime/store.ts';
import { StateDirectory } from '../../emulators/state-directory.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './examples.ts';

class Sampled {
  readonly clock = new VirtualClock();
  readonly directory = new StateDirectory();
  readonly store = new RuntimeStore({ clock: this.clock });
  readonly faults = new Faults();
  readonly failures: unknown[] = [];
  readonly stop = new AbortController();
  everyMs = 5 * MINUTE_MS;
  samples = 0;

  async start(): Promise<void> {
    const { clock, directory, store, faults } = this;
    const history = await History.open({ directory: '/state', clock, fileSystem: directory });
    const port = inMemoryPort(store, { clock, faults });
    const options = {
      gatherer: new Gatherer({ port, history, clock }),
      history,
      clock,
      everyMs: () => this.everyMs,
      onSample: () => (this.samples += 1),
      onFailure: (error: unknown) => this.failures.push(error),
    };
    await sampleUse(options, this.stop.signal);
  }

  async savedHistory(): Promise<History> {
    return await History.open({ directory: '/state', clock: this.clock, fileSystem: this.directory });
  }
}

describe('the sampler of use', () => {
  it('sees a pod that lived for ten seconds between two weekly runs: its image counts as used then', async () => {
    const node = new Sampled();
    const { store, clock } = node;
    const id = store.addImage({ tags: ['docker.io/library/cron:1'] });
    void node.start();
    await clock.advance(3 * DAY_MS + 2 * MINUTE_MS);

    const container = store.createContainer({ image: id });
    const ranAtMs = clock.nowMs();
    await clock.advance(10 * SECOND_MS);
    store.setContainerState(container, 'exited');
    // The kubelet leaves what exited for a while.
    await clock.advance(6 * MINUTE_MS);
    store.removeContainer(container);
    await clock.advance(4 * DAY_MS);

    const { lastUsedMs } = (await node.savedHistory()).of(id);
    expect(lastUsedMs).toBeGreaterThanOrEqual(ranAtMs);
    expect(lastUsedMs).toBeLessThanOrEqual(ranAtMs + 6 * MINUTE_MS);
    node.stop.abort();
  });

  it('goes on when the runtime is away, and says each time that it is', async () => {
    const node = new Sampled();
    void node.start();
    await node.clock.advance(0);
    expect(node.samples).toBe(1);
    node.faults.add({ times: 3, error: { code: 14, details: 'gone' } });
    await node.clock.advance(HOUR_MS);
    expect(node.failures).toHaveLength(3);
    expect(node.failures[0]).toMatchObject({ code: 'runtime/unavailable' });
    expect(node.samples).toBe(10);
    node.stop.abort();
  });

  it('takes a reloaded interval after the next look', async () => {
    const node = new Sampled();
    void node.start();
    await node.clock.advance(0);
    node.everyMs = MINUTE_MS;
    await node.clock.advance(5 * MINUTE_MS);
    expect(node.samples).toBe(2);
    await node.clock.advance(5 * MINUTE_MS);
    expect(node.samples).toBe(7);
    node.stop.abort();
  });

  it('ends when the agent stops, and calls that no failure', async () => {
    const node = new Sampled();
    node.faults.add({ hang: true });
    const ended = node.start();
    await node.clock.advance(SECOND_MS);
    node.stop.abort();
    await node.clock.run(ended);
    expect([node.samples, node.failures]).toEqual([0, []]);
  });
});
