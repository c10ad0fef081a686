import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { plainText, servePages } from '../../../agent/observe/server.ts';
import type { Pages, PageServer } from '../../../agent/observe/server.ts';

let server: PageServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const errors: unknown[] = [];

async function serve(pages: Pages): Promise<number> {
  server = await servePages({ host: '127.0.0.1', port: 0 }, pages, (_path, error) => errors.push(error));
  return server.address.port;
}

function ask(port: number, method: string, path: string, headers: Record<string, string> = {}) {
  return new Promise<{ response: IncomingMessage; body: string }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ response, body }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const healthy: Pages = { '/healthz': () => plainText(200, 'ok') };

describe('the health and metrics server', () => {
  it('answers a page, whatever its query', async () => {
    const port = await serve(healthy);
    const { response, body } = await ask(port, 'GET', '/healthz?verbose');
    expect([response.statusCode, body]).toEqual([200, 'ok\n']);
  });

  it('answers HEAD with the length and without the body', async () => {
    const port = await serve(healthy);
    const { response, body } = await ask(port, 'HEAD', '/healthz');
    expect([response.statusCode, response.headers['content-length'], body]).toEqual([200, '3', '']);
  });

  it('says which pages there are when asked for another', async () => {
    const port = await serve(healthy);
    const { response, body } = await ask(port, 'GET', '/');
    expect([response.statusCode, body]).toEqual([404, 'not found; there are /healthz\n']);
  });

  it('refuses other methods, names those it takes, and ends the connection', async () => {
    const port = await serve(healthy);
    const { response } = await ask(port, 'POST', '/healthz');
    expect([response.statusCode, response.headers.allow, response.headers.connection]).toEqual([
      405,
      'GET, HEAD',
      'close',
    ]);
  });

  it('answers 500 without the inside of the error, and tells it to the log', async () => {
    const boom = new Error('secret inside');
    const port = await serve({
      '/metrics': () => {
        throw boom;
      },
    });
    const { response, body } = await ask(port, 'GET', '/metrics');
    expect(response.statusCode).toBe(500);
    expect(body).not.toContain('secret');
    expect(errors).toContain(boom);
  });

  it('refuses headers larger than its limit', async () => {
    const port = await serve(healthy);
    expect((await ask(port, 'GET', '/healthz', { 'x-large': 'x'.repeat(9000) })).response.statusCode).toBe(431);
  });

  it('ends a connection that sends no HTTP', async () => {
    const port = await serve(healthy);
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write('\u0016\u0003\u0001 hello\r\n\r\n'));
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('error', () => resolve(text));
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
  });

  it('listens to both families on ::, with or without IPv6', async () => {
    server = await servePages({ host: '::', port: 0 }, healthy, () => {});
    const answer = await fetch(`http://127.0.0.1:${server.address.port}/healthz`);
    expect(answer.status).toBe(200);
  });

  it('rejects when the port is taken', async () => {
    const port = await serve(healthy);
    await expect(servePages({ host: '127.0.0.1', port }, healthy, () => {})).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  it('closes although a client keeps its connection', async () => {
    const port = await serve(healthy);
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await server?.close();
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
