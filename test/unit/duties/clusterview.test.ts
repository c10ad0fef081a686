import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { configMaps, nodes } from '../../../agent/cluster/objects.ts';
import { ClusterView } from '../../../agent/duties/clusterview.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { Metrics } from '../../../agent/observe/metrics.ts';
import { Readiness } from '../../../agent/observe/readiness.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';

const MINUTE = 60_000;
const limitMs = 10 * MINUTE;

let clock: VirtualClock;
let server: EmulatedApiServer;
let port: KubernetesClient;
let view: ClusterView;
let stop: AbortController;
beforeEach(async () => {
  clock = new VirtualClock();
  server = new EmulatedApiServer({ clock });
  server.access.grant('agent');
  const transport = new InMemoryTransport({ server, user: 'agent', clock });
  port = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  stop = new AbortController();
  view = new ClusterView({
    port,
    nodeName: 'node-1',
    namespace: 'default',
    clock,
    random: () => 0.5,
    log: createLogger({ level: 'error' }),
    metrics: new Metrics({ version: '0.0.0', commit: 'test' }),
    readiness: new Readiness(),
    onChange: () => undefined,
  });
});
afterEach(() => stop.abort());

const refuse = (): void =>
  server.faults.add({ matches: ({ resource }) => resource === 'configmaps', refuse: { status: 403 } });

describe('whether all nodes are paused', () => {
  it('is not known before it has been read', async () => {
    refuse();
    void view.run(stop.signal);
    await clock.advance(MINUTE);
    expect(view.pausedWithin(limitMs)).toBeUndefined();
  });

  it('is no longer known where it cannot be read for long, though everything else can: one may have begun', async () => {
    void view.run(stop.signal);
    await clock.advance(MINUTE);
    expect(view.pausedWithin(limitMs)).toBe(false);
    refuse();
    // The watch that stands ends within the hour.
    await clock.advance(61 * MINUTE);
    await clock.advance(limitMs);
    expect(view.pausedWithin(limitMs)).toBeUndefined();
    expect(view.pausedWithin(Number.POSITIVE_INFINITY)).toBe(false);
  });

  it('stays known where one has been seen', async () => {
    const metadata = { name: 'nodetender-control', annotations: { 'nodetender.dev/pause': 'a freeze' } };
    await clock.run(port.create(configMaps, 'default', { metadata }));
    void view.run(stop.signal);
    await clock.advance(MINUTE);
    refuse();
    await clock.advance(3 * 60 * MINUTE);
    expect(view.pausedWithin(limitMs)).toBe('a freeze');
  });

  describe('and a watch that hangs, silent as one that has nothing to tell,', () => {
    /** All are paused, and the watch, which has had no bookmark yet, keeps it back. Gives how often it is listed from then on. */
    async function pauseUnseen(state?: string): Promise<() => number> {
      const labels = state === undefined ? {} : { 'nodetender.dev/state': state };
      await clock.run(port.create(nodes, undefined, { metadata: { name: 'node-1', labels } }));
      void view.run(stop.signal);
      await clock.advance(30_000);
      server.disturbWatches('cut', 'configmaps');
      await clock.advance(5_000);
      server.disturbWatches('silence', 'configmaps');
      const metadata = { name: 'nodetender-control', annotations: { 'nodetender.dev/pause': 'a freeze' } };
      await clock.run(port.create(configMaps, 'default', { metadata }));
      expect(view.pausedWithin(limitMs)).toBe(false);
      const list = vi.spyOn(port, 'list');
      return () => list.mock.calls.filter(([{ plural }]) => plural === 'configmaps').length;
    }

    it('is known at once to one who asks, and soon to all', async () => {
      await pauseUnseen();
      expect(await clock.run(view.checkPause(stop.signal))).toBe('a freeze');
      await clock.advance(1_000);
      expect(view.pausedWithin(limitMs)).toBe('a freeze');
    });

    it.each(['cordoned', 'draining', 'rebooting'])(
      'is known within five minutes to a node that is %s',
      async (state) => {
        const listed = await pauseUnseen(state);
        await clock.advance(5 * MINUTE);
        expect(view.pausedWithin(limitMs)).toBe('a freeze');
        // One that finds it, and one to go on from.
        expect(listed()).toBe(2);
      },
    );

    it.each([undefined, 'waiting', 'verifying'])('is no more asked for by a node that is %s', async (state) => {
      const listed = await pauseUnseen(state);
      await clock.advance(30 * MINUTE);
      expect(listed()).toBe(0);
    });
  });
});
