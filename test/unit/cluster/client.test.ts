import { constants } from 'node:http2';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, asyncProperty, constant, constantFrom, jsonValue, oneof, record } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type Clock, systemClock } from '../../../agent/clock.ts';
import { inCluster } from '../../../agent/cluster/access.ts';
import { KubernetesClient, type KubernetesClientOptions } from '../../../agent/cluster/client.ts';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import { configMaps, nodes } from '../../../agent/cluster/objects.ts';
import type { WatchEvent } from '../../../agent/cluster/port.ts';
import { ClusterTransport, type TransportOptions } from '../../../agent/cluster/transport.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { CertificateAuthority } from '../../harness/certificates.ts';
import {
  begin,
  json,
  type Protocol,
  raw,
  refusal,
  type Reply,
  ScriptedServer,
  silence,
} from '../../harness/scriptedserver.ts';
import { TcpRelay } from '../../harness/tcprelay.ts';
import { QuickClock } from './quickclock.ts';

const authority = new CertificateAuthority();
const one = { metadata: { name: 'node-1', uid: 'u', resourceVersion: '7' } };
const name = { name: 'node-1' };
const page = (names: readonly string[], next?: string): object => ({
  metadata: { resourceVersion: '9', ...(next === undefined ? {} : { continue: next }) },
  items: names.map((each) => ({ metadata: { name: each, uid: each, resourceVersion: '1' } })),
});
const frame = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

type Options = Partial<Omit<KubernetesClientOptions & TransportOptions, 'transport' | 'access' | 'clock'>>;

/** Writes `text` until nobody takes it any more. */
function pourOut(response: Parameters<Reply>[0], text: string): void {
  response.write(text, (error?: Error | null) => {
    if (error === undefined || error === null) pourOut(response, text);
  });
}

describe.each<Protocol>(['h2', 'http/1.1'])('requests over %s', (protocol) => {
  let server: ScriptedServer;
  let folder: string;
  let clock: QuickClock;
  const closing: { close(): void }[] = [];

  beforeEach(async () => {
    server = await ScriptedServer.start(authority, protocol);
    folder = await mkdtemp(join(tmpdir(), 'nodetender-'));
    clock = new QuickClock();
    await giveIdentity('first-token\n', authority.certificate);
  });
  afterEach(async () => {
    for (const each of closing.splice(0)) each.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  async function giveIdentity(token: string, ca: string): Promise<void> {
    await writeFile(join(folder, 'token'), token);
    await writeFile(join(folder, 'ca.crt'), ca);
  }

  async function client(options: Options = {}, its: Clock = clock, port = server.port): Promise<KubernetesClient> {
    const access = await inCluster({ host: '127.0.0.1', port: String(port), folder }, its);
    const transport = new ClusterTransport({ access, clock: its, ...options });
    const made = new KubernetesClient({
      transport,
      clock: its,
      random: () => 0.5,
      userAgent: 'nodetender/test',
      ...options,
    });
    closing.push(made);
    return made;
  }

  async function failure(promise: Promise<unknown>): Promise<ClusterError> {
    const error: unknown = await promise.then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(error instanceof ClusterError)) throw new Error(`expected a ClusterError, not ${String(error)}`);
    return error;
  }

  it('use one connection, one after the other', async () => {
    server.reply = json(one);
    const port = await client();
    const warnings: string[] = [];
    const warn = ({ message }: Error): number => warnings.push(message);
    process.on('warning', warn);
    // More than the ten listeners of one kind that Node takes for a leak.
    for (let count = 0; count < 15; count += 1) await port.get(nodes, name);
    process.off('warning', warn);
    expect(warnings).toEqual([]);
    expect(server.connections).toBe(1);
    expect(server.requests[0]).toMatchObject({
      method: 'GET',
      url: '/api/v1/nodes/node-1',
      headers: { authorization: 'Bearer first-token', 'user-agent': 'nodetender/test' },
    });
  });

  it('show a token that the kubelet has changed, after a minute at the latest', async () => {
    server.reply = json(one);
    const port = await client();
    await port.get(nodes, name);
    await giveIdentity('second-token\n', authority.certificate);
    clock.pass(60_000);
    await port.get(nodes, name);
    expect(server.requests.map(({ headers }) => headers['authorization'])).toEqual([
      'Bearer first-token',
      'Bearer second-token',
    ]);
  });

  it('read the token again at once when it is refused, and give up when that is refused too', async () => {
    server.replies.push(json(one), refusal(401, 'Unauthorized', 'Unauthorized'), json(one));
    server.reply = refusal(401, 'Unauthorized', 'Unauthorized');
    const port = await client();
    await port.get(nodes, name);
    await giveIdentity('second-token', authority.certificate);
    await port.patch(nodes, name, { type: 'merge', body: {} });
    expect(server.requests.at(-1)?.headers['authorization']).toBe('Bearer second-token');
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/unauthorized');
    expect(server.requests).toHaveLength(5);
  });

  it('keep the token and the CA they have while the files cannot be read or are empty', async () => {
    server.reply = json(one);
    const port = await client();
    await port.get(nodes, name);
    for (const spoil of [() => rm(join(folder, 'token')), () => giveIdentity('', '')]) {
      await spoil();
      clock.pass(120_000);
      await port.get(nodes, name);
    }
    expect(server.requests.at(-1)?.headers['authorization']).toBe('Bearer first-token');
  });

  it('refuse a token file that holds none', async () => {
    await giveIdentity('two\nlines', authority.certificate);
    const { code, message } = await failure((await client()).get(nodes, name));
    expect(code).toBe('cluster/no-access');
    expect(message).toContain(`${folder}/token`);
  });

  it('trust a new CA as soon as the server shows it', async () => {
    server.reply = json(one);
    const port = await client();
    await port.get(nodes, name);
    const { port: number } = server;
    await server.close();
    const rotated = new CertificateAuthority('rotated');
    server = await ScriptedServer.start(rotated, protocol, number);
    server.reply = json(one);
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/untrusted');
    await giveIdentity('first-token', rotated.certificate);
    await port.get(nodes, name);
    expect(server.requests).toHaveLength(1);
  });

  it('go out anew after a server error, when they only read', async () => {
    server.replies.push(refusal(500, 'InternalError', 'etcd is away'), refusal(503, 'ServiceUnavailable', 'soon'));
    server.reply = json(one);
    const port = await client();
    await port.get(nodes, name);
    expect(server.requests).toHaveLength(3);
    expect(clock.pauses).toEqual([375, 750]);
  });

  it('do not go out anew after a server error, when they write', async () => {
    server.reply = refusal(500, 'InternalError', 'etcd is away');
    const error = await failure((await client()).patch(nodes, name, { type: 'merge', body: {} }));
    expect(error).toMatchObject({ code: 'cluster/failed', notApplied: false });
    expect(server.requests).toHaveLength(1);
  });

  it('give up after a few attempts, with the last reason', async () => {
    server.reply = refusal(503, 'ServiceUnavailable', 'apiserver is shutting down');
    const { code, message } = await failure((await client()).get(nodes, name));
    expect(code).toBe('cluster/unavailable');
    expect(message).toBe('get nodes node-1: apiserver is shutting down');
    expect(server.requests).toHaveLength(4);
  });

  it('wait as long as a throttling server says, writes too', async () => {
    server.replies.push(refusal(429, 'TooManyRequests', 'too many', { 'retry-after': '7' }));
    server.reply = json(one);
    await (await client()).create(nodes, undefined, one);
    // And a little longer: others were told the same.
    expect(clock.pauses).toEqual([7_250]);
    expect(server.requests).toHaveLength(2);
  });

  it('do not wait longer than their deadline, but say what the server said', async () => {
    server.reply = refusal(429, 'TooManyRequests', 'too many', { 'retry-after': '86400' });
    const error = await failure((await client()).get(nodes, name));
    expect(error).toMatchObject({ code: 'cluster/throttled', retryAfterMs: 86_400_000 });
    expect(clock.pauses).toEqual([]);
  });

  it('go out anew after a cut, when they only read', async () => {
    server.replies.push(() => server.cut());
    server.reply = json(one);
    await (await client()).get(nodes, name);
    expect(server.requests).toHaveLength(2);
  });

  it('leave open whether a write that was cut has happened', async () => {
    server.reply = (): void => server.cut();
    const error = await failure((await client()).create(nodes, undefined, one));
    expect(error).toMatchObject({ code: 'cluster/unavailable', notApplied: false });
    expect(server.requests).toHaveLength(1);
  });

  it('know that nothing has happened when nobody listens', async () => {
    const port = await client();
    await server.close();
    const error = await failure(port.create(nodes, undefined, one));
    expect(error).toMatchObject({ code: 'cluster/unavailable', notApplied: true });
    expect(error.message).toContain('ECONNREFUSED');
    expect(clock.pauses).toHaveLength(3);
    server = await ScriptedServer.start(authority, protocol);
  });

  it.each([
    ['that never comes', silence],
    [
      'that stops in the middle',
      ((response) => {
        response.writeHead(200);
        response.write('{');
      }) satisfies Reply,
    ],
  ])('end an answer %s at the deadline', async (_, reply) => {
    server.reply = reply;
    const port = await client({}, systemClock);
    const error = await failure(port.get(nodes, name, { deadlineMs: 50 }));
    expect(error).toMatchObject({ code: 'cluster/timeout', message: 'get nodes node-1: no answer within 0.05 s' });
  });

  it('end when the caller says so', async () => {
    server.reply = silence;
    const port = await client();
    const stop = new AbortController();
    const getting = failure(port.get(nodes, name, { signal: stop.signal }));
    stop.abort();
    expect((await getting).code).toBe('cluster/cancelled');
    expect((await failure(port.get(nodes, name, { signal: AbortSignal.abort() }))).code).toBe('cluster/cancelled');
  });

  it('end when the port is closed, those in flight and those that come', async () => {
    server.reply = silence;
    const port = await client();
    const patching = failure(port.patch(nodes, name, { type: 'merge', body: {} }));
    await expect.poll(() => server.requests.length).toBe(1);
    port.close();
    expect((await patching).code).toBe('cluster/cancelled');
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/cancelled');
  });

  it('quote what is no JSON', async () => {
    server.reply = raw('<html>Log in to the hotel');
    const { code, message } = await failure((await client()).get(nodes, name));
    expect(code).toBe('cluster/bad-response');
    expect(message).toContain('"<html>Log in to the hotel"');
  });

  it("take a proxy's error page for what its status says", async () => {
    server.reply = raw('<html>502</html>', 502);
    expect(await failure((await client()).get(nodes, name))).toMatchObject({
      code: 'cluster/unavailable',
      message: 'get nodes node-1: HTTP 502',
    });
  });

  it('refuse an answer that is too large, whether announced or not', async () => {
    const port = await client({ maxResponseBytes: 1000 });
    server.reply = json({ ...one, filler: 'x'.repeat(1000) });
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/too-large');
    server.reply = (response): void => {
      response.writeHead(200);
      pourOut(response, 'x'.repeat(1000));
    };
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/too-large');
  });

  it('survive any JSON in any place', { timeout: 30_000 }, async () => {
    const port = await client();
    const hostile = oneof(
      jsonValue(),
      record({ metadata: jsonValue(), items: jsonValue() }),
      constant(JSON.parse('{"__proto__": {"polluted": 1}, "metadata": {"__proto__": {"name": 1}}}') as unknown),
    );
    await assert(
      asyncProperty(hostile, constantFrom(200, 404, 409, 422, 429, 504), async (value, status) => {
        server.reply = json(value, status);
        const outcomes = await Promise.allSettled([
          port.get(nodes, name),
          port.list(nodes, {}, () => 0),
          port.evict({ namespace: 'a', name: 'b' }),
        ]);
        const reasons = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'answered'));
        expect(reasons.filter((reason) => reason !== 'answered' && !(reason instanceof ClusterError))).toEqual([]);
        expect({}).not.toHaveProperty('polluted');
      }),
      { numRuns: 100 },
    );
  });

  describe('lists', () => {
    it('begin again when their moment has passed, and are asked for whole in the end', async () => {
      const gone = refusal(410, 'Expired', 'too old');
      server.replies.push(json(page(['a'], 'next')), gone, json(page(['a'], 'next')), gone);
      server.reply = json(page(['a', 'b', 'c']));
      const listing = await (await client()).list(nodes, { pageSize: 1 }, ({ metadata }) => metadata.name);
      expect(listing).toEqual({ items: ['a', 'b', 'c'], resourceVersion: '9' });
      expect(server.requests.map(({ url }) => url.split('?')[1])).toEqual([
        'limit=1',
        'limit=1&continue=next',
        'limit=1',
        'limit=1&continue=next',
        undefined,
      ]);
    });

    it('come in pages where they are too large in one piece', async () => {
      const all = Array.from({ length: 60 }, (_, index) => `node-${index}`);
      server.reply = (response, { url }): void => {
        const query = new URL(url, 'https://x').searchParams;
        const start = Number(query.get('continue') ?? 0);
        const end = start + Number(query.get('limit') ?? all.length);
        json(page(all.slice(start, end), end < all.length ? String(end) : undefined))(response);
      };
      const port = await client({ maxResponseBytes: 2_000 });
      expect((await port.list(nodes, {}, ({ metadata }) => metadata.name)).items).toEqual(all);
    });

    it('end when the server sends them in a circle', async () => {
      server.reply = json(page(['a'], 'same'));
      expect((await failure((await client()).list(nodes, {}, () => 0))).code).toBe('cluster/bad-response');
    });
  });

  describe('watches', () => {
    const start = { resourceVersion: '5', timeoutSeconds: 3_000 };

    async function watch(port: KubernetesClient, signal?: AbortSignal): Promise<WatchEvent<unknown>[]> {
      const events: WatchEvent<unknown>[] = [];
      const scope = { namespace: 'a', fieldSelector: 'metadata.name=x' };
      for await (const event of port.watch(configMaps, scope, start, { signal })) events.push(event);
      return events;
    }

    it('ask for bookmarks and give events as they come, however they are cut into pieces', async () => {
      const text = [
        frame('ADDED', { metadata: { name: 'ä', uid: 'u', resourceVersion: '6' } }),
        frame('BOOKMARK', { metadata: { resourceVersion: '8' } }),
      ].join('');
      server.reply = (response): void => {
        response.writeHead(200);
        const bytes = [...Buffer.from(text)];
        const next = (): void => {
          const byte = bytes.shift();
          if (byte === undefined) response.end();
          else response.write(Buffer.of(byte), next);
        };
        next();
      };
      expect(await watch(await client())).toEqual([
        { type: 'opened' },
        { type: 'added', object: { metadata: { name: 'ä', uid: 'u', resourceVersion: '6' } } },
        { type: 'bookmark', resourceVersion: '8' },
      ]);
      expect(server.requests[0]?.url).toBe(
        '/api/v1/namespaces/a/configmaps?fieldSelector=metadata.name%3Dx&watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=3000',
      );
    });

    it('share the one connection with requests, where that is possible', async () => {
      const stop = new AbortController();
      server.replies.push(begin);
      server.reply = json(one);
      const port = await client();
      const watching = failure(watch(port, stop.signal));
      await expect.poll(() => server.requests.length).toBe(1);
      await port.get(nodes, name);
      expect(server.connections).toBe(protocol === 'h2' ? 1 : 2);
      stop.abort();
      expect((await watching).code).toBe('cluster/cancelled');
    });

    it('say that their past is gone, as an answer or as an event', async () => {
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 5 (9)' };
      server.replies.push(json(status, 410), raw(frame('ERROR', status)));
      const port = await client();
      expect((await failure(watch(port))).code).toBe('cluster/gone');
      expect((await failure(watch(port))).code).toBe('cluster/gone');
    });

    it.each([
      ['of no known type', frame('SURPRISE', one)],
      ['without an object', frame('ADDED', null)],
      ['that is no JSON', 'ADDED node-1\n'],
      ['that is no event', '[]\n'],
    ])('refuse an event %s', async (_, text) => {
      server.reply = raw(text);
      expect((await failure(watch(await client()))).code).toBe('cluster/bad-response');
    });

    it('refuse an event without end', async () => {
      server.reply = (response): void => {
        response.writeHead(200);
        pourOut(response, 'x'.repeat(65_536));
      };
      expect((await failure(watch(await client()))).code).toBe('cluster/too-large');
    });

    it('say that they were cut, and give no half event', async () => {
      server.reply = (response): void => {
        response.writeHead(200);
        response.write(`${frame('ADDED', one)}{"type":"ADD`, () => server.cut());
      };
      const port = await client();
      const seen: string[] = [];
      const watching = async (): Promise<void> => {
        for await (const { type } of port.watch(nodes, {}, start)) seen.push(type);
      };
      expect((await failure(watching())).code).toBe('cluster/unavailable');
      expect(seen).toEqual(['opened', 'added']);
    });

    it('find a connection that has died without a word', async () => {
      const proxy = await TcpRelay.start(server.port);
      server.reply = (response): void => {
        response.writeHead(200);
        response.write(frame('ADDED', one));
      };
      const limits = { pingAfterMs: 40, pingTimeoutMs: 40, silenceLimitMs: 80 };
      const port = await client(limits, systemClock, proxy.port);
      const watching = async (): Promise<void> => {
        for await (const { type } of port.watch(nodes, {}, start)) if (type === 'added') proxy.freeze();
      };
      const { code, message } = await failure(watching());
      expect(code).toBe('cluster/unavailable');
      expect(message).toContain('silent');
      server.reply = json(one);
      await port.get(nodes, name);
      await proxy.close();
    });
  });
});

describe('HTTP/2 alone', () => {
  let server: ScriptedServer;
  let folder: string;
  let port: KubernetesClient;

  beforeEach(async () => {
    server = await ScriptedServer.start(authority, 'h2');
    folder = await mkdtemp(join(tmpdir(), 'nodetender-'));
    await writeFile(join(folder, 'token'), 'token');
    await writeFile(join(folder, 'ca.crt'), authority.certificate);
    const clock = new QuickClock();
    const access = await inCluster({ host: '127.0.0.1', port: String(server.port), folder }, clock);
    const transport = new ClusterTransport({ access, clock });
    port = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'nodetender/test' });
  });
  afterEach(async () => {
    port.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  it('writes again what the server has refused unread', async () => {
    server.replies.push((response) => response.stream.close(constants.NGHTTP2_REFUSED_STREAM));
    server.reply = json(one);
    await port.create(nodes, undefined, one);
    expect(server.requests).toHaveLength(2);
  });

  it('takes a new connection when the server says goodbye, and lets what runs come to its end', async () => {
    let finish = (): void => undefined;
    server.replies.push((response) => {
      response.stream.session?.goaway();
      finish = (): void => json(one)(response);
    });
    server.reply = json(one);
    const slow = port.get(nodes, name);
    await expect.poll(() => server.requests.length).toBe(1);
    await port.get(nodes, name);
    await port.get(nodes, name);
    finish();
    await slow;
    expect(server.requests).toHaveLength(3);
    expect(server.connections).toBe(2);
  });

  it('asks nothing of a connection that has just ended', async () => {
    const clock = new VirtualClock();
    const access = await inCluster({ host: '127.0.0.1', port: String(server.port), folder }, clock);
    const transport = new ClusterTransport({ access, clock });
    const short = new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'test' });
    server.reply = json(one);
    await short.get(nodes, name);
    // A ping is due in the very moment of its end: an error of it would be nobody's, and end the agent.
    short.close();
    await clock.advance(60_000);
    await expect(short.get(nodes, name)).rejects.toMatchObject({ code: 'cluster/cancelled' });
  });

  it('keeps a silent watch whose server answers pings', async () => {
    const access = await inCluster({ host: '127.0.0.1', port: String(server.port), folder }, systemClock);
    const transport = new ClusterTransport({ access, clock: systemClock, pingAfterMs: 10, pingTimeoutMs: 1_000 });
    const patient = new KubernetesClient({ transport, clock: systemClock, random: Math.random, userAgent: 'test' });
    let finish = (): void => undefined;
    server.reply = (response): void => {
      begin(response);
      finish = (): void => void response.end();
    };
    const seen: string[] = [];
    const watching = async (): Promise<void> => {
      for await (const { type } of patient.watch(nodes, {}, { resourceVersion: '1', timeoutSeconds: 60 }))
        seen.push(type);
    };
    const done = watching();
    await expect.poll(() => seen.length).toBe(1);
    const openedMs = patient.lastHeardMs() ?? 0;
    await expect.poll(() => (patient.lastHeardMs() ?? 0) - openedMs > 30).toBe(true);
    finish();
    await done;
    expect(seen).toEqual(['opened']);
    patient.close();
  });
});
