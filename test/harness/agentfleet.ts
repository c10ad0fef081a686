import { systemClock } from '../../agent/clock.ts';
import { connectKubernetes } from '../../agent/cluster/connect.ts';
import { eventually } from './eventually.ts';
import { installEraserObjects } from './imagelistagents.ts';
import { InProcessAgent } from './inprocessagent.ts';
import { ControlPlane } from './kubernetes.ts';

/** Requests of ours that are under way together. */
const AT_ONCE = 25;
/** A thousand agents start in half a minute on two cores. */
const DEADLINE_MS = 300_000;

/** Whole agents in this process, a Node and a connection each, on one real kube-apiserver. */
export class AgentFleet {
  readonly plane: ControlPlane;
  readonly names: readonly string[];
  readonly agents: InProcessAgent[] = [];
  /** When runs for ImageLists began, by performance.now(). */
  readonly imageListRunsMs: number[] = [];
  #kubeconfig = '';
  /** When a request was accepted, by performance.now(), by the node's name and the request's value. */
  readonly #accepted = new Map<string, PromiseWithResolvers<number>>();

  private constructor(plane: ControlPlane, size: number) {
    this.plane = plane;
    this.names = Array.from({ length: size }, (_, index) => `node-${index}`);
  }

  /** Resolves when every agent knows its cluster and has said so: what is counted after that, was asked for. */
  static async launch(size: number): Promise<AgentFleet> {
    // Each agent of a real cluster has an address of its own; here all share one, and one user.
    const plane = await ControlPlane.launch({ apiServerFlags: ['--max-requests-inflight=3000'] });
    const fleet = new AgentFleet(plane, size);
    try {
      await installEraserObjects(plane.clients);
      await inLanes(
        fleet.names,
        async (name) => void (await plane.api.create('/api/v1/nodes', { metadata: { name } })),
      );
      fleet.#kubeconfig = await plane.clients.kubeconfigFile('agent');
      await inLanes(fleet.names, (name) => fleet.#start(name));
      await Promise.all(fleet.agents.map((agent) => agent.ready()));
      // An agent tells its state when it has looked at its images, which is later.
      await eventually('every agent has told its state', () => fleet.#haveAllToldTheirState(), DEADLINE_MS);
    } catch (error) {
      await fleet.destroy();
      throw error;
    }
    return fleet;
  }

  /** Asks for a run with an annotation. Gives the milliseconds until the agent had accepted it, written on the Node. */
  async trigger(name: string, value: string): Promise<number> {
    return await (
      await this.#annotate(name, value)
    ).accepted;
  }

  /** The same on all nodes, as fast as the annotations can be written. */
  async triggerAll(value: string): Promise<number[]> {
    const latenciesMs: Promise<number>[] = [];
    await inLanes(this.names, async (name) => void latenciesMs.push((await this.#annotate(name, value)).accepted));
    return await Promise.all(latenciesMs);
  }

  /** Nodes whose result names the request as done. */
  async doneCount(value: string): Promise<number> {
    const results = await this.#annotations('nodetender.dev/last-clean');
    return results.filter((result) => result.includes(`"request":${JSON.stringify(value)}`)).length;
  }

  async createImageList(images: readonly string[]): Promise<void> {
    const list = { apiVersion: 'eraser.sh/v1', kind: 'ImageList', metadata: { name: 'imagelist' }, spec: { images } };
    await this.plane.api.create('/apis/eraser.sh/v1/imagelists', list);
  }

  /** Requests that the API server has logged. */
  async requestCount(): Promise<number> {
    return (await this.plane.auditEvents()).length;
  }

  /** Those after the first `before`, by verb and resource. */
  async requestsSince(before: number): Promise<Map<string, number>> {
    const events = (await this.plane.auditEvents()).slice(before);
    const kinds = Map.groupBy(events, ({ verb, resource, subresource }) =>
      [verb, subresource === '' ? resource : `${resource}/${subresource}`].join(' '),
    );
    return new Map([...kinds].map(([kind, { length }]) => [kind, length]));
  }

  async destroy(): Promise<void> {
    await inLanes(this.agents, (agent) => agent.stop());
    await this.plane.destroy();
  }

  async #haveAllToldTheirState(): Promise<boolean> {
    return (await this.#annotations('nodetender.dev/status')).length === this.names.length;
  }

  /** The values of it, of the Nodes that carry it. */
  async #annotations(key: string): Promise<string[]> {
    const { items } = (await this.plane.api.get('/api/v1/nodes')) as {
      items: readonly { metadata: { annotations?: Record<string, string> } }[];
    };
    return items.flatMap(({ metadata }) => metadata.annotations?.[key] ?? []);
  }

  /** Resolves when the annotation is written. */
  async #annotate(name: string, value: string): Promise<{ readonly accepted: Promise<number> }> {
    const sentMs = performance.now();
    await this.plane.api.merge(`/api/v1/nodes/${name}`, {
      metadata: { annotations: { 'nodetender.dev/clean': value } },
    });
    return { accepted: this.#acceptedWithin(name, value, DEADLINE_MS).then((ms) => ms - sentMs) };
  }

  async #acceptedWithin(name: string, value: string, deadlineMs: number): Promise<number> {
    const over = new AbortController();
    const late = async (): Promise<never> => {
      await systemClock.sleep(deadlineMs, over.signal);
      throw new Error(`${name} has not accepted ${value}`);
    };
    try {
      return await Promise.race([this.#acceptance(name, value).promise, late()]);
    } finally {
      over.abort();
    }
  }

  async #start(nodeName: string): Promise<void> {
    const connection = { userAgent: 'nodetender/test', clock: systemClock, random: Math.random };
    const { port } = await connectKubernetes({ path: this.#kubeconfig, ...connection });
    const agent = await InProcessAgent.start({
      nodeName,
      port,
      clock: systemClock,
      random: Math.random,
      onRecord: ({ msg, request, trigger }) => {
        if (msg === 'a request is accepted') this.#acceptance(nodeName, String(request)).resolve(performance.now());
        if (msg === 'run began' && trigger === 'imagelist') this.imageListRunsMs.push(performance.now());
      },
    });
    this.agents.push(agent);
  }

  #acceptance(name: string, value: string): PromiseWithResolvers<number> {
    const key = `${name} ${value}`;
    const known = this.#accepted.get(key) ?? Promise.withResolvers<number>();
    this.#accepted.set(key, known);
    return known;
  }
}

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
