import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRuntimeEndpoint, kindOfFile, socketPath } from '../../../agent/runtime/sockets.ts';

let directory: string;
const servers: Server[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodetender-sockets-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(directory, { recursive: true });
});

async function listen(name: string): Promise<string> {
  const path = join(directory, name);
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return path;
}

describe('the endpoint of a runtime', () => {
  it.each(['unix:///run/x.sock', 'unix:/run/x.sock', '/run/x.sock'])('may be given as %s', (given) => {
    expect(socketPath(given)).toBe('/run/x.sock');
  });

  it.each(['', 'tcp://127.0.0.1:1', 'run/x.sock', 'npipe:////./pipe/x', 'unix://run/x.sock'])('is not %j', (given) => {
    expect(() => socketPath(given)).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  it('is refused when longer than the system takes', () => {
    expect(() => socketPath(`/${'x'.repeat(107)}`)).toThrow(/at most 107 bytes/);
    expect(socketPath(`/${'x'.repeat(106)}`)).toHaveLength(107);
  });
});

describe('the search for a runtime', () => {
  it('takes the first place where something listens', async () => {
    const [absent, plain] = [join(directory, 'absent'), join(directory, 'plain')];
    await writeFile(plain, '');
    const [first, second] = [await listen('first'), await listen('second')];
    expect(await findRuntimeEndpoint([absent, plain, first, second])).toBe(`unix://${first}`);
  });

  it('takes what exists when nothing listens, so that connecting says why', async () => {
    const plain = join(directory, 'plain');
    await writeFile(plain, '');
    expect(await findRuntimeEndpoint([join(directory, 'absent'), plain])).toBe(`unix://${plain}`);
  });

  it('names every place when there is nothing', async () => {
    const places = [join(directory, 'a'), join(directory, 'b')];
    const error = await findRuntimeEndpoint(places).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'runtime/no-socket' });
    for (const place of places) expect(String(error)).toContain(place);
  });

  it('tells a socket from a file from nothing', async () => {
    await writeFile(join(directory, 'plain'), '');
    expect(await kindOfFile(await listen('socket'))).toBe('socket');
    expect(await kindOfFile(join(directory, 'plain'))).toBe('other');
    expect(await kindOfFile(join(directory, 'absent'))).toBe('nothing');
  });
});
