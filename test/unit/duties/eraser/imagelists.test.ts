import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../../agent/cluster/client.ts';
import { OwnNode } from '../../../../agent/cluster/node.ts';
import { ImageLists } from '../../../../agent/duties/eraser/imagelists.ts';
import type { ImageListRequest } from '../../../../agent/duties/eraser/listrun.ts';
import type { Transport } from '../../../../agent/cluster/transport.ts';
import type { Report } from '../../../../agent/images/report.ts';
import { createLogger } from '../../../../agent/observe/log.ts';
import type { Json } from '../../../harness/api.ts';
import { imageListCrd } from '../../../harness/imagelistcrd.ts';
import { VirtualClock } from '../../../emulators/clock.ts';
import { EmulatedApiServer } from '../../../emulators/kubernetes/apiserver.ts';
import { Link } from '../../../emulators/kubernetes/link.ts';
import { InMemoryTransport } from '../../../emulators/kubernetes/transport.ts';
import { emptyReport } from '../../images/examples.ts';

const MINUTE_MS = 60_000;
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const lists = '/apis/eraser.sh/v1/imagelists';
const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/nodetender-imagelist';

/** Agents that care for ImageLists on an emulated API server and a virtual clock; runs are done as soon as asked for. */
class Setting {
  readonly clock = new VirtualClock();
  readonly server = new EmulatedApiServer({ clock: this.clock });
  readonly link = new Link();
  readonly ran: string[] = [];
  readonly requests: ImageListRequest[] = [];
  onRun = (): void => undefined;
  /** What a run comes to; by default it has found nothing. */
  report = async (): Promise<Report | undefined> => await Promise.resolve(emptyReport);
  /** How often agents have asked for ImageLists. */
  asked = 0;
  readonly #stop = new AbortController();
  readonly #working: Promise<unknown>[] = [];

  constructor() {
    for (const user of ['agent', 'admin']) this.server.access.grant(user);
  }

  /** `luck` is all the chance that it has: the least comes first everywhere. */
  async start(name: string, luck = 0.5): Promise<void> {
    await this.send('POST', '/api/v1/nodes', { metadata: { name } });
    const { clock, server, link } = this;
    const wire = new InMemoryTransport({ server, user: 'agent', clock, link });
    const transport: Transport = {
      send: async (request, signal) => {
        if (request.path.startsWith(lists)) this.asked += 1;
        return await wire.send(request, signal);
      },
      lastHeardMs: () => wire.lastHeardMs(),
      forget: () => wire.forget(),
      close: () => wire.close(),
    };
    const random = (): number => luck;
    const port = new KubernetesClient({ transport, clock, random, userAgent: 'nodetender/test' });
    const log = createLogger({ level: 'error', stream: { write: () => undefined } });
    const own = new OwnNode(name, { port, clock, random, onChange: () => duty.nodeChanged() });
    const duty = new ImageLists({
      port,
      clock,
      random,
      log,
      nodeName: name,
      namespace: 'default',
      node: () => own.current,
      settings: () => ({ filter: { type: 'exclude', selectors: [] }, timeoutMs: 15 * MINUTE_MS }),
      clean: async (request) => {
        this.ran.push(`${request.name} on ${name}`);
        this.requests.push(request);
        this.onRun();
        return await this.report();
      },
      tell: () => undefined,
    });
    const { signal } = this.#stop;
    this.#working.push(own.run(signal), duty.run(signal));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.clock.run(Promise.all(this.#working));
  }

  async send(method: string, url: string, body: Json = {}): Promise<Json> {
    const certificate = { commonName: 'admin', organizations: [] };
    const { signal } = new AbortController();
    const headers = { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' };
    const request = { method, url, headers, body: JSON.stringify(body), certificate, signal };
    return JSON.parse((await this.clock.run(this.server.handle(request))).body as string);
  }

  async apply(name: string): Promise<void> {
    const object = { apiVersion: 'eraser.sh/v1', kind: 'ImageList', metadata: { name }, spec: { images: ['*'] } };
    await this.send('POST', lists, object);
  }
}

const waitsForever = async (): Promise<undefined> => await new Promise<undefined>(() => undefined);

describe('ImageLists', () => {
  let setting: Setting;

  beforeEach(() => {
    setting = new Setting();
  });
  afterEach(async () => {
    await setting.stop();
  });

  it('whose CRD is not there are looked for again after a quarter to half an hour, and picked up then', async () => {
    const { clock } = setting;
    await setting.start('a');
    await clock.advance(15 * MINUTE_MS);
    expect(setting.asked).toBe(1);
    await clock.advance(15 * MINUTE_MS);
    expect(setting.asked).toBe(2);
    await clock.advance(10 * 60 * MINUTE_MS);
    // Less than three an hour of the twelve requests that an idle agent may send.
    expect(setting.asked).toBeLessThanOrEqual(30);
    await setting.send('POST', crds, imageListCrd);
    await setting.apply('late');
    await clock.advance(31 * MINUTE_MS);
    expect(setting.ran).toEqual(['late on a']);
    expect((await setting.send('GET', `${lists}/late`))['status']).toMatchObject({ success: 1, failed: 0, skipped: 0 });
  });

  it('whose CRD is taken away and brought back are picked up within a minute', async () => {
    const { clock } = setting;
    await setting.send('POST', crds, imageListCrd);
    await setting.start('a');
    await clock.advance(MINUTE_MS);
    await setting.send('DELETE', `${crds}/imagelists.eraser.sh`);
    setting.server.disturbWatches('end', 'imagelists');
    await clock.advance(10_000);
    await setting.send('POST', crds, imageListCrd);
    await setting.apply('new');
    await clock.advance(2 * MINUTE_MS);
    expect(setting.ran).toEqual(['new on a']);
  });

  it('are counted exactly when the API server was away for longer than nodes have to report', async () => {
    const { clock, link } = setting;
    await setting.send('POST', crds, imageListCrd);
    await setting.start('a', 0.1);
    await setting.start('b', 0.5);
    await setting.start('c', 0.9);
    setting.onRun = () => link.down();
    await clock.advance(MINUTE_MS);
    await setting.apply('list');
    await clock.advance(20 * MINUTE_MS);
    expect(link.up).toBe(false);
    expect((await setting.send('GET', `${lists}/list`))['status']).toBeUndefined();
    setting.onRun = () => undefined;
    link.restore();
    await clock.advance(5 * MINUTE_MS);
    expect((await setting.send('GET', `${lists}/list`))['status']).toMatchObject({ success: 3, failed: 0, skipped: 0 });
    expect(setting.ran.toSorted()).toEqual(['list on a', 'list on b', 'list on c']);
  });

  it('count a node that does not report as failed when its time is over, by the agent that began', async () => {
    const { clock } = setting;
    await setting.send('POST', crds, imageListCrd);
    for (const [name, luck] of [
      ['a', 0.1],
      ['b', 0.5],
      ['c', 0.9],
    ] as const)
      await setting.start(name, luck);
    await setting.send('POST', '/api/v1/nodes', { metadata: { name: 'silent' } });
    await clock.advance(MINUTE_MS);
    await setting.apply('list');
    for (let minute = 1; minute < 15; minute += 1) {
      await clock.advance(MINUTE_MS);
      // There is nothing new to tell, and still nobody takes it for dead.
      expect(await setting.send('GET', lease)).toMatchObject({ spec: { holderIdentity: 'a' } });
    }
    expect((await setting.send('GET', `${lists}/list`))['status']).toBeUndefined();
    await clock.advance(2 * MINUTE_MS);
    const { status } = await setting.send('GET', `${lists}/list`);
    expect(status).toMatchObject({ success: 3, failed: 1, skipped: 0 });
  });

  describe('that are replaced by objects without our mark', () => {
    const replace = async (images: string[]): Promise<void> => {
      const { metadata, ...rest } = await setting.send('GET', `${lists}/list`);
      const { name, uid, resourceVersion, annotations } = metadata as Json;
      expect(annotations).toHaveProperty(['nodetender.dev/run']);
      const body = { ...rest, metadata: { name, uid, resourceVersion }, spec: { images } };
      await setting.send('PUT', `${lists}/list`, body);
      await setting.clock.advance(2 * MINUTE_MS);
    };

    beforeEach(async () => {
      await setting.send('POST', crds, imageListCrd);
    });

    it('run also where no node knows the result before any more, and once', async () => {
      await setting.start('a');
      await setting.clock.advance(MINUTE_MS);
      await setting.apply('list');
      await setting.clock.advance(MINUTE_MS);
      const forgotten = { 'nodetender.dev/imagelist': null };
      await setting.send('PATCH', '/api/v1/nodes/a', { metadata: { annotations: forgotten } });
      await replace(['alpine']);
      expect(setting.requests.map(({ rules }) => rules.map(({ text }) => text))).toEqual([['*'], ['alpine']]);
      await setting.send('PATCH', '/api/v1/nodes/a', { metadata: { annotations: forgotten } });
      await replace(['alpine']);
      expect(setting.ran).toHaveLength(2);
    });

    it('run also where they carried a status when they were first seen', async () => {
      await setting.apply('list');
      const status = { success: 7, failed: 0, skipped: 0, timestamp: '2026-01-01T00:00:00Z' };
      await setting.send('PATCH', `${lists}/list/status`, { status });
      await setting.start('a');
      await setting.clock.advance(MINUTE_MS);
      await replace(['*']);
      expect(setting.ran).toEqual([]);
      await replace(['alpine']);
      expect(setting.ran).toEqual(['list on a']);
    });
  });

  it('are skipped by a node that is held while their run waits', async () => {
    const { clock } = setting;
    await setting.send('POST', crds, imageListCrd);
    await setting.start('a');
    setting.report = waitsForever;
    await clock.advance(MINUTE_MS);
    await setting.apply('list');
    await clock.advance(MINUTE_MS);
    expect([setting.ran, setting.requests[0]?.withdrawn.aborted]).toEqual([['list on a'], false]);
    await setting.send('PATCH', '/api/v1/nodes/a', { metadata: { annotations: { 'nodetender.dev/hold': 'mine' } } });
    await clock.advance(10_000);
    expect((await setting.send('GET', `${lists}/list`))['status']).toMatchObject({ success: 0, failed: 0, skipped: 1 });
    expect(setting.requests[0]?.withdrawn.aborted).toBe(true);
  });

  it.each(['counted without it', 'deleted'])('that are %s withdraw the run that waits', async (how) => {
    const { clock } = setting;
    await setting.send('POST', crds, imageListCrd);
    await setting.start('a');
    setting.report = waitsForever;
    await clock.advance(MINUTE_MS);
    await setting.apply('list');
    await clock.advance(14 * MINUTE_MS);
    expect(setting.requests[0]?.withdrawn.aborted).toBe(false);
    if (how === 'deleted') await setting.send('DELETE', `${lists}/list`);
    await clock.advance(2 * MINUTE_MS);
    expect(setting.requests.map(({ withdrawn }) => withdrawn.aborted)).toEqual([true]);
    if (how === 'deleted') return;
    expect((await setting.send('GET', `${lists}/list`))['status']).toMatchObject({ success: 0, failed: 1, skipped: 0 });
  });

  it('are counted by the agent that began, also where many take their turns for the status', async () => {
    const { clock } = setting;
    await setting.send('POST', crds, imageListCrd);
    await setting.start('a', 0.1);
    await setting.start('b', 0.9);
    await clock.advance(MINUTE_MS);
    for (let index = 0; index < 25; index += 1) await setting.apply(`list-${index}`);
    const holders = new Set<unknown>();
    let longestMs = 0;
    for (let second = 0; second < 24; second += 1) {
      await clock.advance(1_000);
      const { spec } = (await setting.send('GET', lease)) as { spec: { holderIdentity: string; renewTime: string } };
      holders.add(spec.holderIdentity);
      longestMs = Math.max(longestMs, clock.nowMs() - Date.parse(spec.renewTime));
    }
    expect([...holders]).toEqual(['a']);
    expect(longestMs).toBeLessThan(15_000);
    await clock.advance(MINUTE_MS);
    expect((await setting.send('GET', `${lists}/list-24`))['status']).toMatchObject({ success: 2, failed: 0 });
    expect(setting.ran).toHaveLength(50);
  });
});
