import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exchange } from '../../../agent/web/exchange.ts';
import { VirtualClock } from '../../emulators/clock.ts';
import { PlainServer, status } from '../../harness/plainserver.ts';

let server: PlainServer;
let clock: VirtualClock;
let stop: AbortController;
beforeEach(async () => {
  server = await PlainServer.start();
  clock = new VirtualClock();
  stop = new AbortController();
});
afterEach(async () => {
  await server.stop();
});

function ask(path = '/', options: { maxBytes?: number } = {}) {
  const url = new URL(`http://${server.host}${path}`);
  return exchange(
    { method: 'POST', url, headers: { 'x-a': 'b' }, body: 'é' },
    { deadlineMs: 1000, maxBytes: 100, clock, signal: stop.signal, ...options },
  );
}

describe('an exchange', () => {
  it('sends the request as it is and gives the answer, whatever its status', async () => {
    server.reply = status(503, { 'retry-after': '7' }, 'later');
    expect(await ask('/a?b=c')).toEqual({ status: 503, retryAfter: '7', body: 'later' });
    expect(server.received).toMatchObject([
      { method: 'POST', url: '/a?b=c', headers: { 'x-a': 'b', 'content-length': '2' }, body: 'é' },
    ]);
  });

  it('does not follow a redirect: a webhook would go elsewhere', async () => {
    server.reply = status(302, { location: '/elsewhere' });
    expect((await ask()).status).toBe(302);
    expect(server.received).toHaveLength(1);
  });

  it('reads no more than it may', async () => {
    server.reply = status(200, {}, 'x'.repeat(101));
    await expect(ask()).rejects.toMatchObject({ code: 'web/too-large' });
    expect((await ask('/', { maxBytes: 101 })).body).toHaveLength(101);
  });

  it('hangs up on an answer without an end', async () => {
    server.reply = (response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(1000)));
      };
      response.on('drain', more);
      more();
    };
    await expect(ask()).rejects.toMatchObject({ code: 'web/too-large' });
  });

  it('ends at its deadline, also in the midst of the answer', async () => {
    server.reply = (response) => void response.writeHead(200).write('half');
    await expect(clock.run(ask())).rejects.toMatchObject({
      code: 'web/deadline',
      message: `no answer from ${server.host} within 1 s`,
    });
  });

  it('ends when it is given up', async () => {
    server.reply = () => stop.abort();
    await expect(ask()).rejects.toMatchObject({ code: 'web/cancelled' });
    await expect(ask()).rejects.toMatchObject({ code: 'web/cancelled' });
  });

  it('tells a server that hangs up, and never more of the URL than its host', async () => {
    server.reply = (response) => void response.socket?.destroy();
    await expect(ask('/secret')).rejects.toMatchObject({
      code: 'web/unreachable',
      message: `${server.host} cannot be reached: socket hang up`,
    });
    server.reply = (response) => {
      response.writeHead(200, { 'content-length': '10' }).write('half');
      response.socket?.end();
    };
    await expect(ask('/secret')).rejects.toMatchObject({ code: 'web/unreachable' });
  });
});

describe('behind a proxy', () => {
  const elsewhere = new URL('http://hooks.example/secret');
  const request = { method: 'POST', url: elsewhere, body: 'x' } as const;
  const through = async (env: NodeJS.ProcessEnv, url = elsewhere) =>
    await exchange({ ...request, url }, { deadlineMs: 1000, maxBytes: 100, clock, signal: stop.signal }, env);

  it('sends it there, as the environment says', async () => {
    const proxy = `http://user:password@${server.host}`;
    expect(await through({ HTTP_PROXY: proxy })).toMatchObject({ status: 200 });
    expect(server.received).toMatchObject([{ method: 'POST', url: elsewhere.href, body: 'x' }]);
    const tls = new URL('https://hooks.example/secret');
    server.replyToConnect = 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n';
    const refusal: unknown = await through({ https_proxy: proxy }, tls).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'web/unreachable', message: expect.stringContaining('407') });
    expect(String(refusal)).not.toMatch(/secret|password/);
    expect(server.received.at(-1)).toMatchObject({ method: 'CONNECT', url: 'hooks.example:443' });
  });

  it('reaches without it what NO_PROXY names', async () => {
    const url = new URL(`http://${server.host}/direct`);
    const env = { HTTP_PROXY: 'http://127.0.0.1:1', NO_PROXY: '.svc,127.0.0.1' };
    expect(await through(env, url)).toMatchObject({ status: 200 });
    expect(server.received).toMatchObject([{ url: '/direct' }]);
  });

  it('gives up a proxy that never answers', async () => {
    server.replyToConnect = '';
    const asked = through({ HTTPS_PROXY: `http://${server.host}` }, new URL('https://hooks.example/'));
    await expect(clock.run(asked)).rejects.toMatchObject({ code: 'web/deadline' });
  });

  it('tells of one that cannot be without its password', async () => {
    await expect(through({ HTTP_PROXY: 'http://user:password@a proxy' })).rejects.toMatchObject({
      code: 'web/unreachable',
      message: expect.not.stringContaining('password'),
    });
  });
});
