import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../agent/clock.ts';
import { queryPrometheus } from '../../../../agent/reboot/gates/prometheus.ts';
import { PlainServer, status } from '../../../harness/plainserver.ts';

let server: PlainServer;
let directory: string;
beforeEach(async () => {
  server = await PlainServer.start();
  directory = await mkdtemp(join(tmpdir(), 'nodetender-prometheus-'));
});
afterEach(async () => {
  await server.stop();
  await rm(directory, { recursive: true });
});

function query(path: string, tokenFile?: string) {
  const options = { url: `http://${server.host}${path}`, tokenFile, timeoutMs: 1_500 };
  return queryPrometheus(options, 'ALERTS{a="b&c"}', { clock: systemClock, signal: new AbortController().signal });
}

describe('a query', () => {
  it.each(['', '/', '/prometheus', '/prometheus/'])('is asked below the address %j', async (path) => {
    const data = { resultType: 'vector', result: [{ metric: { alertname: 'Ceph' }, value: [1, '1'] }] };
    server.reply = status(200, {}, JSON.stringify({ status: 'success', data }));
    expect(await query(path)).toEqual([{ labels: new Map([['alertname', 'Ceph']]), value: 1 }]);
    const [asked] = server.received;
    const url = new URL(asked?.url ?? '', 'http://prometheus');
    expect(url.pathname).toBe(`${path.replace(/\/$/, '')}/api/v1/query`);
    expect([...url.searchParams]).toEqual([
      ['query', 'ALERTS{a="b&c"}'],
      ['timeout', '1500ms'],
    ]);
    expect(asked?.headers.authorization).toBeUndefined();
  });

  it('carries the token that the file holds now', async () => {
    const file = join(directory, 'token');
    for (const token of ['first', 'second']) {
      await writeFile(file, `${token}\n`);
      await expect(query('', file)).rejects.toMatchObject({ code: 'prometheus/bad-response' });
    }
    expect(server.received.map(({ headers }) => headers.authorization)).toEqual(['Bearer first', 'Bearer second']);
  });

  it('fails when its token cannot be read', async () => {
    await expect(query('', join(directory, 'none'))).rejects.toMatchObject({ code: 'prometheus/failed' });
    expect(server.received).toEqual([]);
  });

  it('fails, and says so, when the server does', async () => {
    server.reply = status(503);
    await expect(query('')).rejects.toThrow('Prometheus answered with HTTP status 503, expected 200');
    server.reply = (response) => void response.socket?.destroy();
    await expect(query('')).rejects.toMatchObject({ code: 'web/unreachable' });
  });
});
