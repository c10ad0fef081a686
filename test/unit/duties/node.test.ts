import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { configMaps, nodes } from '../../../agent/cluster/objects.ts';
import { decodeLastClean, decodeStatus, type LastClean, type NodeStatus } from '../../../agent/cluster/records.ts';
import { type Config, defaultConfig } from '../../../agent/config/load.ts';
import { Gate } from '../../../agent/duties/gate.ts';
import { NodeDuty } from '../../../agent/duties/node.ts';
import type { RunRequest } from '../../../agent/duties/runs.ts';
import { NodetenderError } from '../../../agent/errors.ts';
import type { Report } from '../../../agent/images/report.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { Metrics } from '../../../agent/observe/metrics.ts';
import { Readiness } from '../../../agent/observe/readiness.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { Link } from '../../emulators/kubernetes/link.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';
import { emptyReport } from '../images/examples.ts';

const MINUTE_MS = 60_000;
const nodeName = 'node-1';

/** The duty of one node on an emulated API server and a virtual clock; runs are done as soon as they are asked for. */
class Setting {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock });
  readonly link = new Link();
  readonly gate = new Gate();
  readonly metrics = new Metrics({ version: 'test', commit: 'test' });
  readonly readiness = new Readiness();
  readonly ran: RunRequest[] = [];
  /** Runs end without a report. */
  isBroken = false;
  /** Methods of the agent's requests, watches included. */
  readonly requests: string[] = [];
  readonly admin: KubernetesClient;
  duty: NodeDuty;
  config: Config = defaultConfig;
  #stop = new AbortController();
  #working: Promise<void> = Promise.resolve();

  constructor() {
    this.server.access.grant('agent');
    this.server.access.grant('admin');
    this.admin = this.#client('admin', new Link());
    this.duty = this.#newDuty();
  }

  start(): void {
    this.#working = this.duty.work(this.#stop.signal);
  }

  /** The process ends without a word, and another begins. */
  async crash(): Promise<void> {
    await this.stop();
    this.begin();
    this.start();
    await this.settle();
  }

  /** A new process, which has not looked at anything yet. */
  begin(): void {
    this.#stop = new AbortController();
    this.gate.set('node', undefined);
    this.duty = this.#newDuty();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.run(this.#working);
  }

  /** Lets what was set off come to rest. */
  async settle(ms = 10_000): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 1_000) await this.clock.advance(Math.min(1_000, ms));
  }

  async annotate(annotations: Record<string, string | null>): Promise<void> {
    const patch = { type: 'merge', body: { metadata: { annotations } } } as const;
    await this.clock.run(this.admin.patch(nodes, { name: nodeName }, patch));
    await this.settle();
  }

  async annotation(key: string): Promise<string | undefined> {
    const { metadata } = await this.clock.run(this.admin.get(nodes, { name: nodeName }));
    return metadata.annotations?.[key];
  }

  async lastClean(): Promise<LastClean | undefined> {
    const decoded = decodeLastClean((await this.annotation('nodetender.dev/last-clean')) ?? '');
    return decoded.ok ? decoded.value : undefined;
  }

  async status(): Promise<NodeStatus | undefined> {
    const decoded = decodeStatus((await this.annotation('nodetender.dev/status')) ?? '');
    return decoded.ok ? decoded.value : undefined;
  }

  events(): { reason: string; message: string }[] {
    const resource = this.server.resource('events', 'events.k8s.io');
    return this.server.store.list(resource).map((event) => event as never);
  }

  async #run(request: RunRequest): Promise<Report | undefined> {
    this.ran.push(request);
    if (this.isBroken) return undefined;
    const { trigger, dryRun = false } = request;
    const report: Report = { ...emptyReport, trigger, dryRun, startedAtMs: this.clock.nowMs() };
    this.duty.observer.onBegin(request);
    this.duty.observer.onReport(report, request, true);
    this.duty.observer.onEnd();
    return await Promise.resolve(report);
  }

  #client(user: string, link: Link): KubernetesClient {
    const { server, clock } = this;
    const transport = new InMemoryTransport({ server, user, clock, link });
    const send = transport.send.bind(transport);
    transport.send = async (request, signal) => {
      if (user === 'agent') this.requests.push(request.method);
      return await send(request, signal);
    };
    return new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  }

  #newDuty(): NodeDuty {
    const { clock, gate, metrics, readiness } = this;
    return new NodeDuty({
      port: this.#client('agent', this.link),
      nodeName,
      namespace: 'default',
      version: '1.2.3',
      config: () => this.config,
      gate,
      run: (request) => this.#run(request),
      facts: () => ({ images: 3, imageBytes: 1e9, diskUsedPercent: 51.23 }),
      nextRunMs: () => undefined,
      onNodeChanged: () => undefined,
      clock,
      random: () => 0.5,
      log: createLogger({ level: 'info', stream: { write: () => undefined } }),
      metrics,
      readiness,
    });
  }
}

let node: Setting;
beforeEach(async () => {
  node = new Setting();
  await node.clock.run(node.admin.create(nodes, undefined, { metadata: { name: nodeName } }));
  node.start();
});
afterEach(async () => {
  await node.stop();
});

describe('before the cluster has been read', () => {
  it('nothing may start, and the agent is not ready', async () => {
    expect(node.gate.obstacle?.code).toBe('not-read');
    expect(node.readiness.page().status).toBe(503);
    await node.settle();
    expect(node.gate.obstacle).toBeUndefined();
    expect(node.readiness.page().status).toBe(200);
  });
});

describe('a node without its Node object', () => {
  it('removes nothing', async () => {
    await node.settle();
    await node.clock.run(node.admin.delete(nodes, { name: nodeName }));
    await node.settle();
    expect(node.gate.obstacle).toMatchObject({ code: 'no-node', reason: 'there is no Node named node-1' });
  });
});

describe('while the API server is away', () => {
  it('what was known stays in force for 10 minutes; then nothing is removed until it is back', async () => {
    await node.settle();
    node.link.down();
    await node.settle(9 * MINUTE_MS);
    expect(node.gate.obstacle).toBeUndefined();
    await node.settle(2 * MINUTE_MS);
    expect(node.gate.obstacle?.code).toBe('unreachable');
    node.link.restore();
    await node.settle(2 * MINUTE_MS);
    expect(node.gate.obstacle).toBeUndefined();
  });

  it('cleaning may go on for ever where the configuration says so', async () => {
    const { cluster } = defaultConfig;
    node.config = { ...defaultConfig, cluster: { ...cluster, unreachableLimitMs: Number.POSITIVE_INFINITY } };
    await node.settle();
    node.link.down();
    await node.settle(60 * MINUTE_MS);
    expect(node.gate.obstacle).toBeUndefined();
  });

  it('a request that was accepted is finished when it is back', async () => {
    await node.settle();
    node.link.answersLost = true;
    await node.annotate({ 'nodetender.dev/clean': 'lost' });
    node.link.restore();
    await node.settle(3 * MINUTE_MS);
    expect(await node.lastClean()).toMatchObject({ request: 'lost' });
    expect(node.ran).toHaveLength(1);
  });
});

describe('a request', () => {
  it('is run once, whatever the watch repeats, and not again by the next life of the agent', async () => {
    await node.settle();
    await node.annotate({ 'nodetender.dev/clean': 'a' });
    node.server.disturbWatches('cut');
    await node.settle(MINUTE_MS);
    node.server.forgetHistory();
    node.server.disturbWatches('expire');
    await node.settle(MINUTE_MS);
    await node.crash();
    expect(node.ran.map(({ subject }) => subject)).toEqual(['a']);
    await node.annotate({ 'nodetender.dev/clean': 'b' });
    await node.annotate({ 'nodetender.dev/clean': 'a' });
    expect(node.ran.map(({ subject }) => subject)).toEqual(['a', 'b', 'a']);
  });

  it('that was accepted by an earlier life and not done is run, a dry run as a dry run', async () => {
    await node.annotate({ 'nodetender.dev/clean': 'dry-run-1', 'nodetender.dev/clean-handled': 'dry-run-1' });
    expect(node.ran).toEqual([{ trigger: 'annotation', subject: 'dry-run-1', dryRun: true }]);
    expect(await node.lastClean()).toMatchObject({ request: 'dry-run-1', dryRun: true });
  });

  it('of a Node that is made anew counts anew', async () => {
    await node.settle();
    await node.annotate({ 'nodetender.dev/clean': 'a' });
    await node.clock.run(node.admin.delete(nodes, { name: nodeName }));
    await node.settle();
    await node.clock.run(node.admin.create(nodes, undefined, { metadata: { name: nodeName } }));
    await node.settle();
    await node.annotate({ 'nodetender.dev/clean': 'a' });
    expect(node.ran).toHaveLength(2);
  });

  it('whose run could not report at all is failed, not tried for ever', async () => {
    await node.settle();
    node.isBroken = true;
    await node.annotate({ 'nodetender.dev/clean': 'a' });
    await node.settle(MINUTE_MS);
    expect(node.ran).toHaveLength(1);
    expect(await node.lastClean()).toMatchObject({ request: 'a', outcome: 'failed' });
    expect(node.events()).toMatchObject([{ reason: 'ImageCleaningFailed' }]);
  });

  it('waits while the node is held, and says so once', async () => {
    await node.annotate({ 'nodetender.dev/hold': 'why', 'nodetender.dev/clean': 'a' });
    await node.settle(5 * MINUTE_MS);
    expect(node.ran).toEqual([]);
    expect(await node.status()).toMatchObject({ state: 'held', waiting: 'node node-1 is held: why' });
    expect(node.events()).toMatchObject([{ reason: 'CleanWaiting' }]);
    await node.annotate({ 'nodetender.dev/hold': null });
    expect(node.ran).toHaveLength(1);
    expect(await node.status()).toMatchObject({ state: 'idle', waiting: null });
  });
});

describe('a node that cluster.nodeFilter leaves out', () => {
  const labelled = async (value: string | null): Promise<void> => {
    const labels = { 'eraser.sh/cleanup.filter': value };
    await node.clock.run(
      node.admin.patch(nodes, { name: nodeName }, { type: 'merge', body: { metadata: { labels } } }),
    );
    await node.settle();
  };

  it('is not cleaned, says why, and keeps a request waiting until its label is gone', async () => {
    await labelled('');
    await node.annotate({ 'nodetender.dev/clean': 'a' });
    expect(node.ran).toEqual([]);
    expect(node.gate.obstacle?.code).toBe('filtered');
    const waiting = 'cluster.nodeFilter leaves node node-1 out: it is selected by "eraser.sh/cleanup.filter"';
    expect(await node.status()).toMatchObject({ state: 'waiting', waiting });
    expect(node.events()).toMatchObject([
      { reason: 'CleanWaiting', message: `nodetender.dev/clean=a waits: ${waiting}` },
    ]);
    await labelled(null);
    expect(node.ran.map(({ subject }) => subject)).toEqual(['a']);
    expect(await node.status()).toMatchObject({ state: 'idle', waiting: null });
  });

  it('is known by the filter in force, which may change', async () => {
    await labelled('');
    const { cluster } = defaultConfig;
    node.config = { ...defaultConfig, cluster: { ...cluster, nodeFilter: { type: 'exclude', selectors: [] } } };
    await node.settle();
    expect(node.gate.obstacle).toBeUndefined();
    node.config = { ...defaultConfig, cluster: { ...cluster, nodeFilter: { type: 'include', selectors: [] } } };
    await node.settle();
    expect(node.gate.obstacle?.code).toBe('filtered');
  });
});

describe('the pause of all', () => {
  const pause = { metadata: { name: 'nodetender-control', annotations: { 'nodetender.dev/pause': 'incident 12' } } };

  it('is an annotation of one ConfigMap in the namespace of the agent, seen within 5 s', async () => {
    await node.settle();
    await node.clock.run(node.admin.create(configMaps, 'kube-system', pause));
    await node.clock.run(node.admin.create(configMaps, 'default', { metadata: { ...pause.metadata, name: 'other' } }));
    await node.settle(5_000);
    expect(node.gate.obstacle).toBeUndefined();
    await node.clock.run(node.admin.create(configMaps, 'default', pause));
    await node.settle(5_000);
    expect(node.gate.obstacle).toEqual({ code: 'paused', reason: 'cleaning is paused on all nodes: incident 12' });
    await node.clock.run(node.admin.delete(configMaps, { namespace: 'default', name: 'nodetender-control' }));
    await node.settle(5_000);
    expect(node.gate.obstacle).toBeUndefined();
  });

  it('stays in force while the API server is away', async () => {
    await node.clock.run(node.admin.create(configMaps, 'default', pause));
    await node.settle();
    node.link.down();
    await node.settle(60 * MINUTE_MS);
    expect(node.gate.obstacle?.code).toBe('paused');
  });
});

describe('what the Node tells', () => {
  it('is the state at the start and then every hour; an idle agent asks for little else', async () => {
    await node.settle();
    expect(await node.status()).toMatchObject({ version: '1.2.3', images: 3, diskUsedPercent: 51.2 });
    expect(node.requests.filter((method) => method === 'PATCH')).toHaveLength(1);
    node.requests.length = 0;
    await node.clock.advance(180 * MINUTE_MS);
    expect(node.requests.filter((method) => method === 'PATCH')).toHaveLength(3);
    // Of the 12 an hour that a whole idle agent may send; the exclusion lists and ImageLists need the others.
    expect(node.requests.length / 3).toBeLessThanOrEqual(6);
  });

  it('is an Event for each refused value and configuration, not one for each look', async () => {
    await node.settle();
    for (let times = 0; times < 3; times += 1) {
      await node.annotate({ 'nodetender.dev/clean': '["a"]' });
      await node.annotate({ 'nodetender.dev/clean': null });
      node.duty.configRefused(new NodetenderError('config/invalid', 'images.keep: no'));
    }
    await node.crash();
    await node.annotate({ 'nodetender.dev/clean': '["a"]' });
    expect(
      node
        .events()
        .map(({ reason }) => reason)
        .toSorted(),
    ).toEqual(['CleanRequestRefused', 'ConfigurationRefused']);
  });

  it('is an Event also for a configuration that was refused before the Node was known', async () => {
    await node.stop();
    node.begin();
    node.duty.configRefused(new NodetenderError('config/invalid', 'images.keep: no'));
    node.start();
    await node.settle();
    expect(node.events().map(({ reason }) => reason)).toEqual(['ConfigurationRefused']);
  });

  it('stays bounded when somebody changes the annotation in a loop', async () => {
    await node.settle();
    for (let times = 0; times < 200; times += 1) await node.annotate({ 'nodetender.dev/clean': `bad/${times}` });
    // 2000 s: the first burst and one a minute.
    expect(node.events().length).toBeLessThanOrEqual(25 + 35);
  });
});
