import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { configMaps } from '../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../agent/cluster/port.ts';
import { PauseView } from '../../../agent/duties/pauseview.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';

const MINUTE = 60_000;
const metadata = { name: 'nodetender-control' };

describe('a pause of all nodes behind a proxy that lets no event of any watch through', () => {
  let clock: VirtualClock;
  let server: EmulatedApiServer;
  let port: KubernetesPort;
  let view: PauseView;
  let stop: AbortController;
  let firstListMs: number;
  beforeEach(async () => {
    clock = new VirtualClock();
    server = new EmulatedApiServer({ clock });
    server.access.grant('agent');
    const transport = new InMemoryTransport({ server, user: 'agent', clock });
    port = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
    const behindProxy: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'> = {
      list: async (...asked) => {
        const listing = await port.list(...asked);
        await clock.sleep(lists() === 1 ? firstListMs : 0);
        return listing;
      },
      lastHeardMs: () => port.lastHeardMs(),
      async *watch(...asked) {
        for await (const event of port.watch(...asked)) if (event.type === 'opened') yield event;
      },
    };
    view = new PauseView('default', { port: behindProxy, clock, random: () => 0.5 });
    stop = new AbortController();
    firstListMs = 0;
    await clock.run(port.create(configMaps, 'default', { metadata }));
  });
  afterEach(() => stop.abort());

  async function pause(reason: string | null): Promise<void> {
    const body = { metadata: { annotations: { 'nodetender.dev/pause': reason } } };
    await clock.run(port.patch(configMaps, { ...metadata, namespace: 'default' }, { type: 'merge', body }));
  }

  const lists = (): number => server.faults.arrivals.filter(({ verb }) => verb === 'list').length;

  it('is in force as soon as a node that is out of service has looked, and over as soon as it has looked again', async () => {
    void view.run(() => true, stop.signal);
    await clock.advance(MINUTE);
    await pause('a freeze');
    expect(view.current).toBeUndefined();
    await clock.advance(5 * MINUTE);
    expect(view.current).toBe('a freeze');
    await pause(null);
    await clock.advance(5 * MINUTE);
    expect(view.current).toBeUndefined();
  });

  it('is read once more for each change, and no more', async () => {
    void view.run(() => true, stop.signal);
    await clock.advance(MINUTE);
    await pause('a freeze');
    const before = lists();
    await clock.advance(50 * MINUTE);
    expect(lists() - before).toBe(10 + 1);
  });

  it('is in force for all who ask once one of them has asked for a slot that he has', async () => {
    void view.run(() => false, stop.signal);
    await clock.advance(MINUTE);
    await pause('a freeze');
    expect(await clock.run(view.check(stop.signal))).toBe('a freeze');
    await clock.advance(0);
    expect(view.current).toBe('a freeze');
  });

  it('that is seen while the first list is on its way is in force soon after', async () => {
    firstListMs = 3_000;
    void view.run(() => false, stop.signal);
    await clock.advance(1_000);
    await pause('a freeze');
    void view.check(stop.signal);
    await clock.advance(10_000);
    expect(view.current).toBe('a freeze');
  });
});
