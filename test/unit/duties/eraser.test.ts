import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../agent/cluster/client.ts';
import { configMaps } from '../../../agent/cluster/objects.ts';
import { defaultConfig } from '../../../agent/config/load.ts';
import { EraserDuty } from '../../../agent/duties/eraser.ts';
import { Gate } from '../../../agent/duties/gate.ts';
import { createLogger } from '../../../agent/observe/log.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { EmulatedApiServer } from '../../emulators/kubernetes/apiserver.ts';
import { Link } from '../../emulators/kubernetes/link.ts';
import { InMemoryTransport } from '../../emulators/kubernetes/transport.ts';
import { StateDirectory } from '../../emulators/state-directory.ts';

const MINUTE_MS = 60_000;
const label = { 'eraser.sh/exclude.list': 'true' };

/** The duty of one node on an emulated API server. */
class Setting {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock });
  readonly link = new Link();
  readonly gate = new Gate();
  readonly log: { readonly level: string; readonly msg: string; readonly configMap?: string }[] = [];
  readonly admin: KubernetesClient;
  readonly directory = new StateDirectory();
  #duty: EraserDuty | undefined;
  #stop = new AbortController();
  #working: Promise<void> = Promise.resolve();

  constructor() {
    for (const user of ['agent', 'admin']) this.server.access.grant(user);
    this.admin = this.#client('admin', new Link());
  }

  async open(): Promise<void> {
    this.#duty = await EraserDuty.open({
      port: this.#client('agent', this.link),
      nodeName: 'node-1',
      namespace: 'nodetender',
      config: () => ({ ...defaultConfig, stateDirectory: '/state' }),
      gate: this.gate,
      node: () => undefined,
      run: async () => await Promise.resolve(undefined),
      tell: () => undefined,
      warn: () => undefined,
      log: createLogger({
        level: 'info',
        stream: { write: (line) => void this.log.push(JSON.parse(line) as (typeof this.log)[number]) },
      }),
      clock: this.clock,
      random: () => 0.5,
      fileSystem: this.directory,
    });
  }

  async work(): Promise<void> {
    this.#working = this.#duty?.work(this.#stop.signal) ?? this.#working;
    await this.settle();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.run(this.#working);
    this.#stop = new AbortController();
  }

  async settle(ms = 5_000): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 1_000) await this.clock.advance(1_000);
  }

  async list(name: string, json: string): Promise<void> {
    const body = { metadata: { name, namespace: 'kube-system', labels: label }, data: { 'list.json': json } };
    await this.clock.run(this.admin.create(configMaps, 'kube-system', body));
  }

  async rewrite(name: string, json: string): Promise<void> {
    const patch = { type: 'merge', body: { data: { 'list.json': json } } } as const;
    await this.clock.run(this.admin.patch(configMaps, { name, namespace: 'kube-system' }, patch));
    await this.settle();
  }

  /** What the log says of exclusion lists. */
  told(): string[] {
    return this.log.map(({ msg }) => msg).filter((msg) => msg.includes('exclusion list'));
  }

  #client(user: string, link: Link): KubernetesClient {
    const { server, clock } = this;
    const transport = new InMemoryTransport({ server, user, clock, link });
    return new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  }
}

let node: Setting;
beforeEach(async () => {
  node = new Setting();
  const namespaces = { group: '', version: 'v1', plural: 'namespaces', namespaced: false };
  await node.clock.run(node.admin.create(namespaces, undefined, { metadata: { name: 'nodetender' } }));
});
afterEach(async () => {
  await node.stop();
});

describe('nothing is removed', () => {
  it('before the exclusion lists are read in this life of the agent, whatever the last one knew', async () => {
    await node.list('a', '{"excluded": ["alpine"]}');
    await node.open();
    await node.work();
    expect(node.gate.obstacle).toBeUndefined();
    await node.stop();
    await node.open();
    expect(node.gate.obstacle?.code).toBe('exclusions-unknown');
    await node.work();
    expect(node.gate.obstacle).toBeUndefined();
  });

  it('while the lists could not be followed for longer than cluster.unreachableLimit', async () => {
    await node.open();
    await node.work();
    node.link.down();
    await node.settle(9 * MINUTE_MS);
    expect(node.gate.obstacle).toBeUndefined();
    await node.settle(2 * MINUTE_MS);
    expect(node.gate.obstacle).toMatchObject({
      code: 'unreachable',
      reason: expect.stringMatching(
        /^exclusion lists not followed for longer than cluster\.unreachableLimit, which is 10 minutes: namespace nodetender .*, namespace kube-system /,
      ) as string,
    });
    node.link.restore();
    await node.settle(2 * MINUTE_MS);
    expect(node.gate.obstacle).toBeUndefined();
  });
});

describe('the log', () => {
  it('says of a refused list whether its last good content stays in force or there is none', async () => {
    await node.list('a', '{');
    await node.open();
    await node.work();
    await node.rewrite('a', '{"excluded": ["alpine"]}');
    await node.rewrite('a', '{"excluded": [');
    expect(node.told()).toEqual([
      'exclusion list refused; no good content of it is known, and nothing is removed until it is mended or deleted',
      'exclusion list is no longer refused',
      'exclusion list refused; its last good content stays in force',
    ]);
  });

  it('says of lists that cannot be followed whether they were read before', async () => {
    node.link.down();
    await node.open();
    await node.work();
    expect(new Set(node.told())).toEqual(
      new Set(['exclusion lists cannot be followed; nothing is removed until they are read']),
    );
    node.link.restore();
    await node.settle(2 * MINUTE_MS);
    node.link.down();
    await node.settle(2 * MINUTE_MS);
    expect(node.told().at(-1)).toBe(
      'exclusion lists cannot be followed; what was known stays in force for cluster.unreachableLimit',
    );
  });

  it('says that the saved content is damaged, and speaks of no list', async () => {
    node.directory.files.set('/state/exclusions.json', '{');
    await node.open();
    expect(node.log).toEqual([
      expect.objectContaining({
        level: 'error',
        msg: 'last good content of exclusion lists lost; one that is broken now stops all cleaning',
      }),
    ]);
  });

  it('says once that nothing can be saved', async () => {
    node.directory.refuses = 'EROFS';
    await node.open();
    await node.list('a', '{"excluded": ["alpine"]}');
    await node.work();
    await node.rewrite('a', '{"excluded": ["nginx"]}');
    expect(node.told().filter((msg) => msg.includes('saved'))).toEqual([
      'last good content of exclusion lists is not saved, and ends with the agent',
    ]);
  });
});
