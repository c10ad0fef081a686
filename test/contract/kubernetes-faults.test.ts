import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { KubernetesClient } from '../../agent/cluster/client.ts';
import { nodes as nodeResource } from '../../agent/cluster/objects.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import type { Json } from '../harness/api.ts';
import { VirtualClock } from '../emulators/clock.ts';
import { type ApiResponse, EmulatedApiServer } from '../emulators/kubernetes/apiserver.ts';
import { Link } from '../emulators/kubernetes/link.ts';
import { KubernetesServer } from '../emulators/kubernetes/server.ts';
import { InMemoryTransport } from '../emulators/kubernetes/transport.ts';
import { ConnectionCut } from '../emulators/kubernetes/watch.ts';

const nodes = '/api/v1/nodes';

/** Misbehaviour that a real API server shows only in bad times: here it comes on request. */
describe('faults of the emulated API server', () => {
  describe('of requests', () => {
    let clock: VirtualClock;
    let server: EmulatedApiServer;

    beforeEach(() => {
      clock = new VirtualClock();
      server = new EmulatedApiServer({ clock });
      server.access.grant('agent');
    });

    async function ask(
      method: string,
      url: string,
      body: Json | '' = '',
      signal = new AbortController().signal,
    ): Promise<ApiResponse> {
      return await server.handle({
        method,
        url,
        headers: {},
        body: body === '' ? '' : JSON.stringify(body),
        certificate: { commonName: 'agent', organizations: [] },
        signal,
      });
    }
    const make = async (name: string): Promise<ApiResponse> => await ask('POST', nodes, { metadata: { name } });
    const names = (): string[] => server.store.list(server.resource('nodes')).map(({ metadata }) => metadata.name);

    it('throttles as often as asked, saying how long to wait', async () => {
      server.faults.add({ refuse: { status: 429, retryAfterSeconds: 7 }, times: 2 });
      for (const name of ['a', 'b']) {
        const answer = await make(name);
        expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
        expect(JSON.parse(answer.body as string)).toMatchObject({
          kind: 'Status',
          reason: 'TooManyRequests',
          details: { retryAfterSeconds: 7 },
        });
      }
      expect((await make('c')).status).toBe(201);
      expect(names()).toEqual(['c']);
    });

    it('strikes whom it is meant for, after as many as it lets pass', async () => {
      server.faults.add({ matches: ({ verb }) => verb === 'create', after: 1, refuse: { status: 500 } });
      expect((await make('a')).status).toBe(201);
      expect((await ask('GET', nodes)).status).toBe(200);
      expect((await make('b')).status).toBe(500);
      server.faults.clear();
      expect((await make('b')).status).toBe(201);
    });

    it('loses a request, or only its answer', async () => {
      server.faults.add({ cut: 'before', times: 1 });
      server.faults.add({ cut: 'after', times: 1 });
      await expect(make('lost')).rejects.toBeInstanceOf(ConnectionCut);
      await expect(make('done')).rejects.toBeInstanceOf(ConnectionCut);
      expect(names()).toEqual(['done']);
    });

    it('answers late by the clock, or never', async () => {
      server.faults.add({ latencyMs: 5_000, times: 1 });
      const startedMs = clock.monotonicMs();
      await clock.run(make('late'));
      expect(clock.monotonicMs() - startedMs).toBe(5_000);
      server.faults.add({ hang: true });
      const client = new AbortController();
      const hanging = ask('GET', nodes, '', client.signal);
      await clock.advance(60_000);
      client.abort();
      await expect(hanging).rejects.toBeInstanceOf(ConnectionCut);
    });

    it('says what proxies say', async () => {
      server.faults.add({ reply: { status: 502, contentType: 'text/html', body: '<h1>Bad Gateway</h1>' } });
      expect(await make('a')).toEqual({
        status: 502,
        headers: { 'content-type': 'text/html' },
        body: '<h1>Bad Gateway</h1>',
      });
      expect(names()).toEqual([]);
    });

    it('changes the cluster in the middle of a request', async () => {
      server.faults.add({ times: 1, onRequest: () => void make('first') });
      await ask('GET', `${nodes}/first`);
      expect(names()).toEqual(['first']);
    });

    it('refuses a token that has expired', async () => {
      server.access.addToken('secret', 'agent');
      const withToken = { method: 'GET', url: nodes, headers: { authorization: 'Bearer secret' }, body: '' };
      const { signal } = new AbortController();
      expect((await server.handle({ ...withToken, signal })).status).toBe(200);
      server.access.revokeToken('secret');
      expect((await server.handle({ ...withToken, signal })).status).toBe(401);
    });

    it('counts who asked for what', async () => {
      await make('a');
      await ask('GET', `${nodes}/a?pretty=1`);
      expect(server.faults.arrivals).toMatchObject([
        { user: 'agent', verb: 'create', resource: 'nodes', name: undefined },
        { user: 'agent', verb: 'get', resource: 'nodes', name: 'a', url: `${nodes}/a?pretty=1` },
      ]);
      server.faults.forgetArrivals();
      expect(server.faults.arrivals).toEqual([]);
    });

    it('sends bookmarks by the clock, and ends a watch by it', async () => {
      await make('a');
      const { body } = await ask(
        'GET',
        `${nodes}?watch=1&allowWatchBookmarks=true&timeoutSeconds=150&resourceVersion=${server.store.revision}`,
      );
      const frames: string[] = [];
      const reading = (async () => {
        for await (const frame of body as AsyncIterable<string>) frames.push(JSON.parse(frame).type);
      })();
      const startedMs = clock.monotonicMs();
      await clock.advance(0);
      await make('b');
      await clock.run(reading);
      expect(frames).toEqual(['ADDED', 'BOOKMARK', 'BOOKMARK', 'BOOKMARK']);
      expect(clock.monotonicMs() - startedMs).toBe(150_000);
    });
  });

  describe('of the link in memory', () => {
    function connect(): { port: KubernetesPort; link: Link; server: EmulatedApiServer; clock: VirtualClock } {
      const clock = new VirtualClock();
      const server = new EmulatedApiServer({ clock });
      server.access.grant('agent');
      const link = new Link();
      const transport = new InMemoryTransport({ server, user: 'agent', clock, link });
      return {
        port: new KubernetesClient({ transport, clock, random: () => 0.5, userAgent: 'test' }),
        link,
        server,
        clock,
      };
    }
    const create = async (port: KubernetesPort, name: string): Promise<unknown> =>
      await port.create(nodeResource, undefined, { metadata: { name } }, { deadlineMs: 1_000 });

    it('refuses requests while it is down, and loses none of them half way', async () => {
      const { port, link, clock, server } = connect();
      link.down();
      const refused = { code: 'cluster/unavailable', notApplied: true };
      await expect(clock.run(create(port, 'a'))).rejects.toMatchObject(refused);
      link.restore();
      await clock.run(create(port, 'a'));
      expect(server.store.list(server.resource('nodes'))).toHaveLength(1);
    });

    it('loses answers to what was done', async () => {
      const { port, link, clock, server } = connect();
      link.answersLost = true;
      const lost = { code: 'cluster/unavailable', notApplied: false };
      await expect(clock.run(create(port, 'a'))).rejects.toMatchObject(lost);
      expect(server.store.list(server.resource('nodes'))).toHaveLength(1);
    });

    it('cuts a watch when it goes down', async () => {
      const { port, link, clock } = connect();
      const watching = async (): Promise<void> => {
        const from = { resourceVersion: '1', timeoutSeconds: 600 };
        for await (const { type } of port.watch(nodeResource, {}, from)) if (type === 'opened') link.down();
      };
      const startedMs = clock.monotonicMs();
      await expect(clock.run(watching())).rejects.toMatchObject({ code: 'cluster/unavailable' });
      expect(clock.monotonicMs()).toBe(startedMs);
    });
  });

  describe('of watches and connections', () => {
    let server: KubernetesServer;

    beforeEach(async () => {
      server = await KubernetesServer.launch();
    });
    afterEach(async () => {
      await server.destroy();
    });

    /** The types of a watch's frames, and how it ended. */
    async function watched(disturb: () => void | Promise<void>): Promise<string[]> {
      const seen: string[] = [];
      const { api } = server.clients;
      const watching = (async () => {
        try {
          for await (const { type } of api.watch(`${nodes}?watch=1`)) {
            seen.push(type);
            if (seen.length === 1) await disturb();
          }
          seen.push('end');
        } catch {
          seen.push('cut');
        }
      })();
      await api.create(nodes, { metadata: { name: 'a' } });
      await watching;
      return seen;
    }

    it('cuts watches', async () => {
      expect(await watched(() => server.emulated.disturbWatches('cut', 'nodes'))).toEqual(['ADDED', 'cut']);
      expect(server.emulated.watchCount).toBe(0);
    });

    it('ends watches', async () => {
      expect(await watched(() => server.emulated.disturbWatches('end'))).toEqual(['ADDED', 'end']);
    });

    it('tells watches that their history is gone', async () => {
      expect(await watched(() => server.emulated.disturbWatches('expire'))).toEqual(['ADDED', 'ERROR', 'end']);
    });

    it('lets watches fall silent without an end', async () => {
      const disturb = async (): Promise<void> => {
        server.emulated.disturbWatches('silence');
        await server.clients.api.create(nodes, { metadata: { name: 'unseen' } });
        server.emulated.disturbWatches('cut');
      };
      expect(await watched(disturb)).toEqual(['ADDED', 'cut']);
    });

    it('leaves the watches of other resources alone', async () => {
      const disturb = async (): Promise<void> => {
        server.emulated.disturbWatches('cut', 'pods');
        await server.clients.api.create(nodes, { metadata: { name: 'seen' } });
        server.emulated.disturbWatches('end', 'nodes');
      };
      expect(await watched(disturb)).toEqual(['ADDED', 'ADDED', 'end']);
    });

    it('cuts every connection, and is there again', async () => {
      expect(await watched(() => server.cutConnections())).toEqual(['ADDED', 'cut']);
      expect((await server.clients.api.send('GET', nodes)).status).toBe(200);
    });

    it('stops, and starts again where it was with what it had', async () => {
      const { api } = server.clients;
      await api.create(nodes, { metadata: { name: 'a' } });
      await server.stop();
      await expect(api.send('GET', nodes)).rejects.toMatchObject({ code: expect.stringMatching(/^ECONN/) });
      await server.start();
      expect((await api.get(`${nodes}/a`))['kind']).toBe('Node');
    });
  });
});
