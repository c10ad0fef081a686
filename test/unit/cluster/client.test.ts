import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, asyncProperty, constant, constantFrom, jsonValue, oneof, record } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../../agent/clock.ts';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import { nodes } from '../../../agent/cluster/objects.ts';
import { CertificateAuthority } from '../../harness/certificates.ts';
import {
  json,
  type Protocol,
  raw,
  refusal,
  type Reply,
  ScriptedServer,
  silence,
} from '../../harness/scriptedserver.ts';
import { authority, ClientSetting, failure, name, one, pourOut } from './clientsetting.ts';

describe.each<Protocol>(['h2', 'http/1.1'])('requests over %s', (protocol) => {
  let setting: ClientSetting;
  let server: ScriptedServer;

  beforeEach(async () => {
    setting = await ClientSetting.start(protocol);
    ({ server } = setting);
  });
  afterEach(async () => {
    await setting.close();
  });

  it('use one connection, one after the other', async () => {
    server.reply = json(one);
    const port = await setting.client();
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
    const port = await setting.client();
    await port.get(nodes, name);
    await setting.giveIdentity('second-token\n', authority.certificate);
    setting.clock.pass(60_000);
    await port.get(nodes, name);
    expect(server.requests.map(({ headers }) => headers['authorization'])).toEqual([
      'Bearer first-token',
      'Bearer second-token',
    ]);
  });

  it('read the token again at once when it is refused, and give up when that is refused too', async () => {
    server.replies.push(json(one), refusal(401, 'Unauthorized', 'Unauthorized'), json(one));
    server.reply = refusal(401, 'Unauthorized', 'Unauthorized');
    const port = await setting.client();
    await port.get(nodes, name);
    await setting.giveIdentity('second-token', authority.certificate);
    await port.patch(nodes, name, { type: 'merge', body: {} });
    expect(server.requests.at(-1)?.headers['authorization']).toBe('Bearer second-token');
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/unauthorized');
    expect(server.requests).toHaveLength(5);
  });

  it('keep the token and the CA they have while the files cannot be read or are empty', async () => {
    server.reply = json(one);
    const port = await setting.client();
    await port.get(nodes, name);
    for (const spoil of [() => rm(join(setting.folder, 'token')), () => setting.giveIdentity('', '')]) {
      await spoil();
      setting.clock.pass(120_000);
      await port.get(nodes, name);
    }
    expect(server.requests.at(-1)?.headers['authorization']).toBe('Bearer first-token');
  });

  it('refuse a token file that holds none', async () => {
    await setting.giveIdentity('two\nlines', authority.certificate);
    const { code, message } = await failure((await setting.client()).get(nodes, name));
    expect(code).toBe('cluster/no-access');
    expect(message).toContain(`${setting.folder}/token`);
  });

  it('trust a new CA as soon as the server shows it', async () => {
    server.reply = json(one);
    const port = await setting.client();
    await port.get(nodes, name);
    const { port: number } = server;
    await server.close();
    const rotated = new CertificateAuthority('rotated');
    server = await ScriptedServer.start(rotated, protocol, number);
    server.reply = json(one);
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/untrusted');
    await setting.giveIdentity('first-token', rotated.certificate);
    await port.get(nodes, name);
    expect(server.requests).toHaveLength(1);
  });

  it('go out anew after a server error, when they only read', async () => {
    server.replies.push(refusal(500, 'InternalError', 'etcd is away'), refusal(503, 'ServiceUnavailable', 'soon'));
    server.reply = json(one);
    const port = await setting.client();
    await port.get(nodes, name);
    expect(server.requests).toHaveLength(3);
    expect(setting.clock.pauses).toEqual([500, 1_000]);
  });

  it('do not go out anew after a server error, when they write', async () => {
    server.reply = refusal(500, 'InternalError', 'etcd is away');
    const error = await failure((await setting.client()).patch(nodes, name, { type: 'merge', body: {} }));
    expect(error).toMatchObject({ code: 'cluster/failed', notApplied: false });
    expect(server.requests).toHaveLength(1);
  });

  it('give up after a few attempts, with the last reason', async () => {
    server.reply = refusal(503, 'ServiceUnavailable', 'apiserver is shutting down');
    const { code, message } = await failure((await setting.client()).get(nodes, name));
    expect(code).toBe('cluster/unavailable');
    expect(message).toBe('get nodes node-1: apiserver is shutting down');
    expect(server.requests).toHaveLength(4);
  });

  it('wait as long as a throttling server says, writes too', async () => {
    server.replies.push(refusal(429, 'TooManyRequests', 'too many', { 'retry-after': '7' }));
    server.reply = json(one);
    await (await setting.client()).create(nodes, undefined, one);
    // And a little longer: others were told the same.
    expect(setting.clock.pauses).toEqual([7_250]);
    expect(server.requests).toHaveLength(2);
  });

  it('do not wait longer than their deadline, but say what the server said', async () => {
    server.reply = refusal(429, 'TooManyRequests', 'too many', { 'retry-after': '86400' });
    const error = await failure((await setting.client()).get(nodes, name));
    expect(error).toMatchObject({ code: 'cluster/throttled', retryAfterMs: 86_400_000 });
    expect(setting.clock.pauses).toEqual([]);
  });

  it('go out anew after a cut, when they only read', async () => {
    server.replies.push(() => server.cut());
    server.reply = json(one);
    await (await setting.client()).get(nodes, name);
    expect(server.requests).toHaveLength(2);
  });

  it('leave open whether a write that was cut has happened', async () => {
    server.reply = (): void => server.cut();
    const error = await failure((await setting.client()).create(nodes, undefined, one));
    expect(error).toMatchObject({ code: 'cluster/unavailable', notApplied: false });
    expect(server.requests).toHaveLength(1);
  });

  it('know that nothing has happened when nobody listens', async () => {
    const port = await setting.client();
    await server.close();
    const error = await failure(port.create(nodes, undefined, one));
    expect(error).toMatchObject({ code: 'cluster/unavailable', notApplied: true });
    expect(error.message).toContain('ECONNREFUSED');
    expect(setting.clock.pauses).toHaveLength(3);
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
    const port = await setting.client({}, systemClock);
    const error = await failure(port.get(nodes, name, { deadlineMs: 50 }));
    expect(error).toMatchObject({ code: 'cluster/timeout', message: 'get nodes node-1: no answer within 0.05 s' });
  });

  it('end when the caller says so', async () => {
    server.reply = silence;
    const port = await setting.client();
    const stop = new AbortController();
    const getting = failure(port.get(nodes, name, { signal: stop.signal }));
    stop.abort();
    expect((await getting).code).toBe('cluster/cancelled');
    expect((await failure(port.get(nodes, name, { signal: AbortSignal.abort() }))).code).toBe('cluster/cancelled');
  });

  it('end when the port is closed, those in flight and those that come', async () => {
    server.reply = silence;
    const port = await setting.client();
    const patching = failure(port.patch(nodes, name, { type: 'merge', body: {} }));
    await expect.poll(() => server.requests.length).toBe(1);
    port.close();
    expect((await patching).code).toBe('cluster/cancelled');
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/cancelled');
  });

  it('quote what is no JSON', async () => {
    server.reply = raw('<html>Log in to the hotel');
    const { code, message } = await failure((await setting.client()).get(nodes, name));
    expect(code).toBe('cluster/bad-response');
    expect(message).toContain('"<html>Log in to the hotel"');
  });

  it("take a proxy's error page for what its status says", async () => {
    server.reply = raw('<html>502</html>', 502);
    expect(await failure((await setting.client()).get(nodes, name))).toMatchObject({
      code: 'cluster/unavailable',
      message: 'get nodes node-1: HTTP 502',
    });
  });

  it('refuse an answer that is too large, whether announced or not', async () => {
    const port = await setting.client({ maxResponseBytes: 1000 });
    server.reply = json({ ...one, filler: 'x'.repeat(1000) });
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/too-large');
    server.reply = (response): void => {
      response.writeHead(200);
      pourOut(response, 'x'.repeat(1000));
    };
    expect((await failure(port.get(nodes, name))).code).toBe('cluster/too-large');
  });

  it('survive any JSON in any place', { timeout: 30_000 }, async () => {
    const port = await setting.client();
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
});
