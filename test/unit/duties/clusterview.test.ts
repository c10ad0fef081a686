import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { configMaps } from '../../../agent/cluster/objects.ts';
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
});
