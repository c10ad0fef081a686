import { getEventListeners } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodetenderError } from '../../../agent/errors.ts';
import { CriConnection } from '../../../agent/runtime/connection.ts';
import { connectRuntime, type CriRuntime } from '../../../agent/runtime/cri.ts';
import { RuntimeServer, type ServerOptions } from '../../emulators/runtime/server.ts';
import { RuntimeStore } from '../../emulators/runtime/store.ts';

let directory: string;
const cleanUps: (() => unknown)[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'nodetender-cri-'));
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
  await rm(directory, { recursive: true });
});

async function serve(options: Partial<ServerOptions> = {}): Promise<RuntimeServer> {
  const socketPath = join(directory, 'runtime.sock');
  const server = new RuntimeServer({ store: new RuntimeStore(), socketPath, ...options });
  await server.start();
  cleanUps.push(() => server.stop());
  return server;
}

function connect(endpoint: string, onHealth?: (problem: NodetenderError | undefined) => void): CriRuntime {
  const runtime = connectRuntime({ endpoint, onHealth });
  cleanUps.push(() => runtime.close());
  return runtime;
}

/** Some other program on a socket. */
async function listen(server: Server): Promise<string> {
  const path = join(directory, 'other.sock');
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
  });
  cleanUps.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return path;
}

const forImage = (index: number): string => `registry.example/team/app:${index}`;

describe('what is not a CRI runtime', () => {
  it('is named when there is no socket', async () => {
    await expect(connect(join(directory, 'none')).version()).rejects.toMatchObject({ code: 'runtime/no-socket' });
  });

  it('is named when a plain file lies there', async () => {
    await writeFile(join(directory, 'file'), '');
    const version = connect(join(directory, 'file')).version();
    await expect(version).rejects.toMatchObject({ code: 'runtime/not-a-cri-server' });
  });

  it('is named when an HTTP server answers, as on the Docker socket', async () => {
    const path = await listen(createHttpServer((_, response) => response.end('hello')));
    await expect(connect(path).version()).rejects.toMatchObject({ code: 'runtime/not-a-cri-server' });
  });

  it.each([200, 404])('is named when an HTTP/2 server answers %i', async (status) => {
    const server = createHttp2Server((_, response) => response.writeHead(status).end('hi'));
    const path = await listen(server);
    await expect(connect(path).version()).rejects.toMatchObject({ code: 'runtime/not-a-cri-server' });
  });

  it('is named when another protocol greets', async () => {
    const path = await listen(createServer((socket) => socket.write('SSH-2.0-other\r\n')));
    await expect(connect(path).version()).rejects.toMatchObject({ code: 'runtime/not-a-cri-server' });
  });

  it('is unavailable when it hangs up at once', async () => {
    const path = await listen(createServer((socket) => socket.destroy()));
    await expect(connect(path).version()).rejects.toMatchObject({ code: 'runtime/unavailable' });
  });

  it('runs into the deadline when it stays silent', async () => {
    const connection = new CriConnection({ endpoint: await listen(createServer(() => undefined)) });
    cleanUps.push(() => connection.close());
    const asked = connection.ask('Version', {}, { deadlineMs: 50, patient: true });
    await expect(asked).rejects.toMatchObject({ code: 'runtime/deadline' });
  });

  it('is told apart when CRI is turned off', async () => {
    const { endpoint } = await serve({ criDisabled: true });
    await expect(connect(endpoint).listImages()).rejects.toMatchObject({ code: 'runtime/cri-disabled' });
  });
});

describe('a large store', () => {
  it.each([false, true])('of 12,000 images arrives whole (streamed: %s)', async (streams) => {
    const store = new RuntimeStore();
    const { endpoint } = await serve({ store, streams });
    for (let index = 0; index < 12_000; index += 1) {
      const name = `${'a-rather-long-part/'.repeat(8)}app`;
      const tags = [0, 1].map((alias) => `registry.example/${name}-${alias}:${index}`);
      store.images.set(`${index}`, {
        id: `sha256:${index.toString(16).padStart(64, '0')}`,
        tags,
        digests: [],
        sizeBytes: 1,
        pinned: false,
        layers: [],
      });
    }
    const runtime = connect(endpoint);
    const images = await runtime.listImages();
    expect(images).toHaveLength(12_000);
    expect(images[11_999]?.tags[1]).toMatch(/:11999$/);
    expect(runtime.listsInStreams).toBe(streams);
  });
});

describe('a restart of the runtime', () => {
  it('is survived fifty times without anything left open', async () => {
    const server = await serve();
    const runtime = connect(server.endpoint);
    const stop = new AbortController();
    const descriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
    const useIt = (): Promise<unknown> =>
      Promise.all([runtime.listImages(stop.signal), runtime.listContainers(stop.signal), runtime.listSandboxes()]);
    const before = await descriptors();
    for (let round = 0; round < 50; round += 1) {
      await server.restart();
      await useIt();
    }
    // One connection, whose other end is in this same process.
    expect((await descriptors()) - before).toBeLessThanOrEqual(2);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  it('in the middle of a list is not seen by the caller', async () => {
    const server = await serve();
    const runtime = connect(server.endpoint);
    await runtime.version();
    server.faults.add({ methods: ['ListContainers'], times: 1, cut: true });
    await expect(runtime.listContainers()).resolves.toEqual([]);
  });

  it('in the middle of a removal is reported: what came of it is unknown, and nothing is sent again', async () => {
    const store = new RuntimeStore();
    const server = await serve({ store });
    const runtime = connect(server.endpoint);
    const id = store.addImage({ tags: [forImage(1)] });
    await runtime.version();
    server.faults.add({ methods: ['RemoveImage'], times: 1, cut: true });
    await expect(runtime.removeImage(id)).rejects.toMatchObject({ code: 'runtime/unavailable' });
    expect(server.faults.calls.filter(({ method }) => method === 'RemoveImage')).toHaveLength(1);
  });

  it('that does not end is reported when patience does', async () => {
    const server = await serve();
    const connection = new CriConnection({ endpoint: server.endpoint, patienceMs: 50 });
    cleanUps.push(() => connection.close());
    const ask = (): Promise<unknown> => connection.ask('Version', {}, { deadlineMs: 1_000, patient: true });
    await ask();
    await server.stop();
    await expect(ask()).rejects.toMatchObject({ code: 'runtime/no-socket' });
  });

  it('is told to whoever watches the health, once each way', async () => {
    const server = await serve();
    const heard: (string | undefined)[] = [];
    const connection = new CriConnection({
      endpoint: server.endpoint,
      patienceMs: 50,
      onHealth: (problem) => heard.push(problem?.code),
    });
    cleanUps.push(() => connection.close());
    const ask = (): Promise<unknown> =>
      connection.ask('Version', {}, { deadlineMs: 1_000, patient: true }).catch(() => undefined);
    await ask();
    await ask();
    await server.stop();
    await ask();
    await server.start();
    while (heard.length < 3) await ask();
    expect(heard).toEqual([undefined, 'runtime/no-socket', undefined]);
  });
});

describe('a call', () => {
  it('that hangs ends when its signal aborts', async () => {
    const server = await serve();
    const stop = new AbortController();
    server.faults.add({ methods: ['ListImages'], hang: true, onCall: () => stop.abort() });
    await expect(connect(server.endpoint).listImages(stop.signal)).rejects.toMatchObject({ code: 'runtime/cancelled' });
  });

  it('that hangs ends when the connection is closed', async () => {
    const server = await serve();
    const runtime = connect(server.endpoint);
    server.faults.add({ methods: ['RemoveImage'], hang: true, onCall: () => runtime.close() });
    await expect(runtime.removeImage(`sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'runtime/cancelled' });
  });

  it.each(['', 'abc', 'busybox', 'sha256:', `sha256:${'a'.repeat(63)}`])(
    'to remove %j is not sent: the runtime would take it for a prefix or a name',
    async (reference) => {
      const server = await serve();
      await expect(connect(server.endpoint).removeImage(reference)).rejects.toThrow(/full image ID/);
      expect(server.faults.calls).toEqual([]);
    },
  );

  it('to remove what is not found succeeds', async () => {
    const server = await serve();
    server.faults.add({ error: { code: 5, details: 'no such image' } });
    await expect(connect(server.endpoint).removeImage('0'.repeat(64))).resolves.toBeUndefined();
  });

  it('asks for a stream once, and not again of a runtime that has none', async () => {
    const server = await serve({ streams: true });
    server.faults.add({ methods: ['StreamImages'], error: { code: 12, details: 'unknown method StreamImages' } });
    const runtime = connect(server.endpoint);
    await runtime.listImages();
    await runtime.listImages();
    expect(server.faults.calls.map(({ method }) => method)).toEqual(['StreamImages', 'ListImages', 'ListImages']);
  });

  it('refuses a stream as a whole when one part is wrong', async () => {
    const store = new RuntimeStore();
    for (let index = 0; index < 1_200; index += 1) store.addImage({ tags: [forImage(index)] });
    const server = await serve({ store, streams: true });
    const spoilLast = (answer: Record<string, unknown>): Record<string, unknown> => ({
      images: [...(answer.images as unknown[]), { id: 'short' }],
    });
    server.faults.add({ methods: ['StreamImages'], corrupt: spoilLast });
    await expect(connect(server.endpoint).listImages()).rejects.toMatchObject({
      code: 'runtime/bad-response',
      message: expect.stringContaining('StreamImages: images[200].id') as string,
    });
  });

  it('says that the runtime is ready', async () => {
    const { endpoint } = await serve();
    expect(await connect(endpoint).readiness()).toEqual({ ready: true, message: '' });
  });
});
