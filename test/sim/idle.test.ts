import { afterEach, describe, expect, it } from 'vitest';

import type { Random } from '../../agent/clock.ts';
import { KubernetesClient } from '../../agent/cluster/client.ts';
import type { HttpRequest } from '../../agent/cluster/http.ts';
import { nodes } from '../../agent/cluster/objects.ts';
import { decodeStatus } from '../../agent/cluster/records.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { EmulatedApiServer } from '../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../emulators/kubernetes/transport.ts';
import { imageListCrd } from '../harness/imagelistcrd.ts';
import { agentNamespace, InProcessAgent } from '../harness/inprocessagent.ts';
import { Chance } from './random.ts';

const HOUR_MS = 3_600_000;
const nodeName = 'node-1';
/** Changed or not. */
const kubeletReportsEveryMs = 5 * 60_000;

/** A whole agent on an emulated API server, with nothing to do; every request of it is counted. */
class IdleAgent {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock });
  readonly #admin: KubernetesClient;
  readonly #sent: HttpRequest[] = [];
  #agent: InProcessAgent | undefined;
  readonly #over = new AbortController();

  constructor() {
    this.server.access.grant('admin');
    this.server.access.grant('agent');
    this.#admin = this.#client('admin', () => 0.5);
  }

  async start(random: Random, { eraser, reboots }: { eraser: boolean; reboots: boolean }): Promise<void> {
    const { clock } = this;
    const crds = {
      group: 'apiextensions.k8s.io',
      version: 'v1',
      plural: 'customresourcedefinitions',
      namespaced: false,
    };
    if (eraser) await clock.run(this.#admin.create(crds, undefined, imageListCrd));
    const namespaces = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };
    await clock.run(this.#admin.create(namespaces, undefined, { metadata: { name: agentNamespace } }));
    await clock.run(this.#admin.create(nodes, undefined, { metadata: { name: nodeName } }));
    void this.#beKubelet(this.#over.signal);
    const port = this.#client('agent', random);
    this.#agent = await InProcessAgent.start({ nodeName, port, clock, random, reboots });
    await clock.run(this.#agent.ready());
    // Its files are real, and take turns of the event loop of which the virtual clock knows nothing.
    for (let looks = 0; (await this.#state()) !== 'idle'; looks += 1) {
      if (looks > 3_600) throw new Error(`the agent does not become idle: ${await this.#state()}`);
      await clock.advance(1_000);
    }
  }

  async stop(): Promise<void> {
    this.#over.abort();
    if (this.#agent !== undefined) await this.clock.run(this.#agent.stop());
  }

  /** Requests of the agent, by method and path. */
  async requestsIn(hours: number): Promise<Map<string, number>> {
    this.#sent.length = 0;
    await this.clock.advance(hours * HOUR_MS);
    const kinds = Map.groupBy(this.#sent, ({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`);
    return new Map([...kinds].map(([kind, { length }]) => [kind, length]));
  }

  async #beKubelet(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: new Date(this.clock.nowMs()).toISOString() };
      const body = { status: { conditions: [ready] } };
      await this.#admin.patch(nodes, { name: nodeName }, { type: 'strategic', body, subresource: 'status' });
      await this.clock.sleep(kubeletReportsEveryMs, signal);
    }
  }

  async #state(): Promise<string | undefined> {
    const { metadata } = await this.clock.run(this.#admin.get(nodes, { name: nodeName }));
    const status = decodeStatus(metadata.annotations?.['nodetender.dev/status'] ?? '');
    return status.ok ? status.value.state : undefined;
  }

  #client(user: string, random: Random): KubernetesClient {
    const { server, clock } = this;
    const transport = new InMemoryTransport({ server, user, clock });
    const send = transport.send.bind(transport);
    // On its way out: the server does not count what it knows nothing of, such as ImageLists without their CRD.
    transport.send = async (request, signal) => {
      if (user === 'agent') this.#sent.push(request);
      return await send(request, signal);
    };
    return new KubernetesClient({ transport, clock, random, userAgent: 'nodetender/test' });
  }
}

describe('an agent that has nothing to do', () => {
  let idle: IdleAgent;
  afterEach(async () => {
    await idle.stop();
  });

  it.each([
    { eraser: true, reboots: false, chance: 'a seed', random: new Chance(1).next },
    { eraser: true, reboots: true, chance: 'always the shortest wait', random: () => 0 },
    { eraser: false, reboots: false, chance: 'always the shortest wait', random: () => 0 },
  ])(
    'asks at most 12 times an hour, all included; CRD: $eraser, reboots: $reboots, chance: $chance',
    async (setting) => {
      const hours = 3;
      idle = new IdleAgent();
      await idle.start(setting.random, setting);
      const requests = await idle.requestsIn(hours);
      const sum = [...requests.values()].reduce((total, count) => total + count, 0);
      expect(sum / hours).toBeLessThanOrEqual(12);
      // It is there: it follows six things (five where there are no ImageLists), and tells its state every hour.
      expect(requests.get('PATCH /api/v1/nodes/node-1')).toBeGreaterThanOrEqual(hours - 1);
      expect(idle.server.watchCount).toBe(setting.eraser ? 6 : 5);
    },
  );
});
