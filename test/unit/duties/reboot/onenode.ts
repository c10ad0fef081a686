import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { stateLabel } from '../../../../agent/cluster/names.ts';
import { OwnNode } from '../../../../agent/cluster/node.ts';
import { type LeaseObject, type NodeObject, nodes, type PodObject, pods } from '../../../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../../../agent/cluster/port.ts';
import { parseConfig } from '../../../../agent/config/load.ts';
import { RebootDuty, type RebootEvent } from '../../../../agent/duties/reboot/reboot.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import { Metrics } from '../../../../agent/observe/metrics.ts';
import type { Note } from '../../../../agent/observe/notify/template.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedHost } from '../../../emulators/host/host.ts';
import { inMemoryHostPort } from '../../../emulators/host/in-memory-port.ts';
import { EmulatedNeed } from '../../../emulators/host/need.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';

const name = 'node-1';
const kubeletReportsEveryMs = 5 * 60_000;
/** As in the defaults, without their waits; more settings of the section `reboot` may follow. */
const quick = `
reboot:
  enabled: true
  sentinel: { settle: 0s }
  health: { soak: 10s }
`;

/** One node with its kubelet, and the reboot duty of its agent, on an emulated API server and host. */
export class OneNode {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock, controllers: true });
  readonly host = new EmulatedHost({ clock: this.clock });
  readonly need = new EmulatedNeed(this.host);
  readonly metrics = new Metrics({ version: '0.0.0', commit: 'test' });
  readonly admin: KubernetesPort = this.port('admin');
  readonly events: RebootEvent[] = [];
  readonly notes: Note[] = [];
  notesSent: (ms: number) => Promise<void> = async () => undefined;
  /** Every request of the agent, as `GET /path`. */
  readonly requests: string[] = [];
  /** The Node each time that its state has changed, by that state. */
  readonly seen = new Map<string, NodeObject>();
  paused: string | false | undefined = false;
  config = parseConfig(quick, 'test').reboot;
  #life: AbortController | undefined;

  private constructor(settings: string) {
    this.configure(settings);
    for (const user of ['agent', 'admin']) this.server.access.grant(user);
    this.server.store.listen(({ storedAs, object, type }) => {
      if (storedAs !== 'nodes' || type === 'DELETED') return;
      const node = structuredClone(object) as unknown as NodeObject;
      const phase = node.metadata.labels?.[stateLabel] ?? 'idle';
      if (!this.seen.has(phase) || phase === 'idle') this.seen.set(phase, node);
    });
    this.host.subscribe((state) => void this.#hostIs(state));
  }

  /** `metadata` and `spec` are what the Node has before the agent begins. */
  static async start(settings = '', metadata: object = {}, spec: object = {}): Promise<OneNode> {
    const site = new OneNode(settings);
    await site.clock.run(site.admin.create(nodes, undefined, { metadata: { name, ...metadata }, spec }));
    await site.clock.run(site.#report());
    site.#startAgent();
    return site;
  }

  /** In force from the next look on. */
  configure(settings: string): void {
    this.config = parseConfig(`${quick}${settings}`, 'test').reboot;
  }

  /** `enabled: false`, all else as it is. */
  turnOff(): void {
    const { settings } = this.config;
    this.config = { ...this.config, enabled: false, settings: { ...settings, enabled: false } };
  }

  /** As all tests end. */
  stop(): void {
    this.#life?.abort();
    this.#life = undefined;
  }

  /** The agent alone. */
  restart(): void {
    this.stop();
    this.#startAgent();
  }

  get uid(): string {
    return this.node().metadata.uid;
  }

  /** As it stands in the store. */
  node(): NodeObject {
    const found = this.server.store.get(this.server.resource('nodes'), '', name);
    if (found === undefined) throw new Error(`there is no Node ${name}`);
    return found;
  }

  condition(type: string): { readonly status: string; readonly reason: string; readonly message: string } | undefined {
    const found = this.node().status?.conditions?.find((one) => one.type === type);
    return found && { status: found.status, reason: found.reason ?? '', message: found.message ?? '' };
  }

  reasons(): string[] {
    return this.events.map(({ reason }) => reason);
  }

  async patch(body: object): Promise<void> {
    await this.clock.run(this.admin.patch(nodes, { name }, { type: 'merge', body }));
  }

  async annotate(annotations: Readonly<Record<string, string | null>>): Promise<void> {
    await this.patch({ metadata: { annotations } });
  }

  /** A pod of nobody, which its eviction ends. */
  async runPod(podName: string, labels: Record<string, string> = {}, spec: object = {}): Promise<void> {
    await this.clock.run(
      this.admin.create<PodObject>(pods, 'default', {
        metadata: { name: podName, labels },
        spec: {
          nodeName: name,
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'web', image: 'web' }],
          ...spec,
        },
      }),
    );
    const body = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
    const target = { namespace: 'default', name: podName };
    await this.clock.run(this.admin.patch(pods, target, { type: 'merge', body, subresource: 'status' }));
  }

  hasPod(podName: string): boolean {
    return this.server.store.get(this.server.resource('pods'), 'default', podName) !== undefined;
  }

  /** Of the one slot; empty where it is free. */
  holder(): string {
    const found = this.server.store.get(
      this.server.resource('leases', 'coordination.k8s.io'),
      'default',
      'nodetender-default-0',
    ) as LeaseObject | undefined;
    return found?.spec?.holderIdentity ?? '';
  }

  /** One series of the metrics; undefined where it is not on the page. */
  async metric(series: string): Promise<string | undefined> {
    const { body } = await this.metrics.page();
    return body
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length + 1);
  }

  port(user: string): KubernetesPort {
    const { server, clock } = this;
    const transport = new InMemoryTransport({ server, user, clock });
    const send = transport.send.bind(transport);
    transport.send = async (request, signal) => {
      if (user === 'agent') this.requests.push(`${request.method} ${request.path}`);
      return await send(request, signal);
    };
    const rate = { perSecond: 1_000, burst: 10_000 };
    return new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test', rate });
  }

  #startAgent(): void {
    const life = new AbortController();
    this.#life = life;
    const { clock } = this;
    const port = this.port('agent');
    const random = (): number => 0.5;
    const view = new OwnNode(name, { port, clock, random, onChange: () => duty.look() });
    const duty = new RebootDuty({
      port,
      nodeName: name,
      namespace: 'default',
      host: inMemoryHostPort(this.host),
      need: this.need,
      config: () => this.config,
      node: () => view.current,
      paused: () => this.paused,
      event: (event) => void this.events.push(event),
      notify: (note) => void this.notes.push(note),
      notesSent: async (ms) => await this.notesSent(ms),
      watcher: this.metrics.reboots,
      clock,
      random,
      log: createLogger({ level: 'error', stream: { write: () => undefined } }),
    });
    void view.run(life.signal);
    void duty.work(life.signal);
    void this.#reportNowAndThen(life.signal);
  }

  async #reportNowAndThen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.clock.sleep(kubeletReportsEveryMs, signal);
      if (!signal.aborted) await this.#report();
    }
  }

  async #hostIs(state: 'down' | 'up'): Promise<void> {
    if (state === 'down') this.stop();
    await this.#report();
    if (state === 'up') this.#startAgent();
  }

  async #report(): Promise<void> {
    const { host, clock } = this;
    const lastTransitionTime = new Date(clock.nowMs()).toISOString();
    const ready = { type: 'Ready', status: host.state === 'up' ? 'True' : 'Unknown', lastTransitionTime };
    const body = { status: { conditions: [ready], nodeInfo: { bootID: host.boot.bootId } } };
    await this.admin.patch(nodes, { name }, { type: 'strategic', body, subresource: 'status' });
  }
}
