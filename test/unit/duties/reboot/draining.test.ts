import { beforeEach, describe, expect, it } from 'vitest';
import { Draining } from '../../../../agent/duties/reboot/draining.ts';
import { pods } from '../../../../agent/cluster/objects.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import type { DrainOptions } from '../../../../agent/reboot/drain/options.ts';
import { EmulatedCluster, kuredsDefaults } from '../../reboot/drain/emulatedcluster.ts';

let cluster: EmulatedCluster;
let draining: Draining;
let outcomes: string[];
let changes: number;
let options: DrainOptions;
beforeEach(async () => {
  cluster = await EmulatedCluster.create();
  outcomes = [];
  changes = 0;
  options = { ...kuredsDefaults, timeoutMs: 60_000 };
  const { clock, port } = cluster;
  draining = new Draining({
    port,
    nodeName: 'node-1',
    options: () => options,
    onChange: () => (changes += 1),
    onWarning: () => undefined,
    watcher: {
      drainEnded: (outcome, ms) => void outcomes.push(`${outcome} after ${ms} ms`),
      evictionAnswered: (result) => void outcomes.push(result),
    },
    clock,
    random: () => 0.5,
    log: createLogger({ level: 'error', stream: { write: () => undefined } }),
  });
});

const forever = new AbortController().signal;

describe('the drain beside the machine', () => {
  it('runs once, tells how far it is and since when, and that it is done', async () => {
    const pod = await cluster.clock.run(cluster.pod('web-1'));
    expect(draining.facts()).toEqual({ kind: 'none' });
    draining.start(0, forever);
    draining.start(0, forever);
    await cluster.clock.advance(500);
    expect(draining.facts()).toMatchObject({ kind: 'running', podsLeft: 1, unchangedForMs: 500 });
    await cluster.clock.advance(10_000);
    expect(draining.facts()).toMatchObject({ kind: 'done' });
    expect(cluster.evictions()).toEqual([pod.metadata.name]);
    expect(outcomes).toEqual(['accepted', 'drained after 1000 ms']);
    expect(changes).toBeGreaterThan(1);
  });

  it('says why it has failed and for how long it has, until it is stopped', async () => {
    cluster.stuck.add('web-1');
    await cluster.clock.run(cluster.pod('web-1'));
    draining.start(0, forever);
    await cluster.clock.advance(70_000);
    expect(draining.facts()).toMatchObject({ kind: 'failed', failedForMs: 10_000 });
    expect(draining.facts()).toHaveProperty('reason', expect.stringContaining('default/web-1: still ending'));
    await cluster.clock.run(draining.stop());
    expect(draining.facts()).toEqual({ kind: 'none' });
  });

  it('has no request under way any more when it has been stopped', async () => {
    await cluster.clock.run(cluster.pod('web-1'));
    cluster.server.faults.add({ matches: ({ subresource }) => subresource === 'eviction', latencyMs: 5_000 });
    draining.start(0, forever);
    await cluster.clock.advance(1_000);
    let whenStopped: string[] = [];
    const stop = async (): Promise<void> => {
      await draining.stop();
      whenStopped = [...outcomes];
    };
    await cluster.clock.run(stop());
    expect(whenStopped).toEqual([expect.stringMatching(/^stopped/)]);
    expect(cluster.server.watchCount).toBe(0);
    expect(draining.facts()).toEqual({ kind: 'none' });
  });

  it.each([
    { ranForMs: 20_000, leftMs: 40_000, what: 'goes on from the time of an earlier life' },
    { ranForMs: 3_600_000, leftMs: 30_000, what: 'looks at the pods for a while though its time is long over' },
  ])('$what', async ({ ranForMs, leftMs }) => {
    cluster.stuck.add('web-1');
    await cluster.clock.run(cluster.pod('web-1'));
    draining.start(ranForMs, forever);
    await cluster.clock.advance(leftMs - 1_000);
    expect(draining.facts()).toMatchObject({ kind: 'running' });
    await cluster.clock.advance(2_000);
    expect(draining.facts()).toMatchObject({ kind: 'failed' });
  });

  it.each([
    { ranForMs: 50_000, leftMs: 10_000, what: 'gives a pod no second time that an earlier life has asked to go' },
    { ranForMs: 20_000, leftMs: 40_000, what: 'gives a pod its time that was going before the drain began' },
    {
      ranForMs: 0,
      leftMs: 60_000,
      what: 'gives a pod all of its time that was going before the first life of the drain',
    },
  ])('$what', async ({ ranForMs, leftMs }) => {
    options = { ...kuredsDefaults, podTimeoutMs: 60_000 };
    const { clock } = cluster;
    cluster.stuck.add('web-1');
    await clock.run(cluster.pod('web-1'));
    await clock.run(cluster.portOf('admin').delete(pods, { namespace: 'default', name: 'web-1' }));
    await clock.advance(50_000);
    draining.start(ranForMs, forever);
    await clock.advance(leftMs - 2_000);
    expect(draining.facts()).toMatchObject({ kind: 'running' });
    await clock.advance(4_000);
    expect(draining.facts()).toMatchObject({ kind: 'failed', reason: expect.stringContaining('not gone within 60 s') });
  });
});
