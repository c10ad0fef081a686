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
