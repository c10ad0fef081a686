import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../../agent/clock.ts';
import type { KubernetesClient } from '../../../agent/cluster/client.ts';
import { configMaps, nodes } from '../../../agent/cluster/objects.ts';
import type { WatchEvent } from '../../../agent/cluster/port.ts';
import { begin, json, type Protocol, raw, refusal, type ScriptedServer } from '../../harness/scriptedserver.ts';
import { TcpRelay } from '../../harness/tcprelay.ts';
import { ClientSetting, failure, name, one, page, pourOut } from './clientsetting.ts';

const frame = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

describe.each<Protocol>(['h2', 'http/1.1'])('a client over %s', (protocol) => {
  let setting: ClientSetting;
  let server: ScriptedServer;

  beforeEach(async () => {
    setting = await ClientSetting.start(protocol);
    ({ server } = setting);
  });
  afterEach(async () => {
    await setting.close();
  });

  describe('lists', () => {
    it('begin again when their moment has passed, and are asked for whole in the end', async () => {
      const gone = refusal(410, 'Expired', 'too old');
      server.replies.push(json(page(['a'], 'next')), gone, json(page(['a'], 'next')), gone);
      server.reply = json(page(['a', 'b', 'c']));
      const listing = await (await setting.client()).list(nodes, { pageSize: 1 }, ({ metadata }) => metadata.name);
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
      const port = await setting.client({ maxResponseBytes: 2_000 });
      expect((await port.list(nodes, {}, ({ metadata }) => metadata.name)).items).toEqual(all);
    });

    it('end when the server sends them in a circle', async () => {
      server.reply = json(page(['a'], 'same'));
      expect((await failure((await setting.client()).list(nodes, {}, () => 0))).code).toBe('cluster/bad-response');
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
      expect(await watch(await setting.client())).toEqual([
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
      const port = await setting.client();
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
      const port = await setting.client();
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
      expect((await failure(watch(await setting.client()))).code).toBe('cluster/bad-response');
    });

    it('refuse an event without end', async () => {
      server.reply = (response): void => {
        response.writeHead(200);
        pourOut(response, 'x'.repeat(65_536));
      };
      expect((await failure(watch(await setting.client()))).code).toBe('cluster/too-large');
    });

    it('say that they were cut, and give no half event', async () => {
      server.reply = (response): void => {
        response.writeHead(200);
        response.write(`${frame('ADDED', one)}{"type":"ADD`, () => server.cut());
      };
      const port = await setting.client();
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
      const port = await setting.client(limits, systemClock, proxy.port);
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
