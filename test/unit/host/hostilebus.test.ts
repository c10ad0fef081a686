import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { encodeMessage, type Message } from '../../../agent/host/dbus/message.ts';
import { logindHost } from '../../../agent/host/host.ts';
import { VirtualClock } from '../../emulators/clock.ts';

const welcome = `OK ${'0'.repeat(32)}\r\n`;
const named = encodeMessage({ type: 'return', serial: 1, replySerial: 1, signature: 's', body: [':1.1'] });

/** What our second message, the question itself, is answered with. */
function answer(message: Partial<Message>): Buffer {
  return encodeMessage({ type: 'return', serial: 2, replySerial: 2, signature: '', body: [], ...message });
}

describe('a socket that is not the bus we hope for', () => {
  const clock = new VirtualClock();
  let directory: string;
  let server: Server;
  const sockets: Socket[] = [];
  /** Said when somebody connects, and after each of our next writes in turn. */
  let script: (string | Buffer | readonly Buffer[])[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'nodetender-hostile-'));
    server = createServer((socket) => {
      sockets.push(socket);
      const lines = [...script];
      socket.on('error', () => undefined);
      socket.on('data', () => {
        const next = lines.shift();
        if (next === 'HANG UP') socket.destroy();
        else if (typeof next === 'string' || Buffer.isBuffer(next)) socket.write(next);
        else if (next !== undefined) void writeInPieces(socket, next);
      });
    });
    server.listen(join(directory, 'bus'));
    await once(server, 'listening');
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
    await rm(directory, { recursive: true });
  });

  const port = (name = 'bus') => logindHost({ socketPath: join(directory, name), clock });

  it.each<[string, (string | Buffer)[], string]>([
    ['rejects us', ['REJECTED EXTERNAL\r\n'], 'host/bus-denied'],
    ['speaks HTTP', ['HTTP/1.1 400 Bad Request\r\n\r\n'], 'host/bad-response'],
    ['hangs up at once', ['HANG UP'], 'host/bus-unreachable'],
    ['hangs up after the greeting', [welcome, 'HANG UP'], 'host/bus-unreachable'],
    ['sends half an answer', [welcome, named, answer({}).subarray(0, 20)], 'host/deadline'],
    [
      'sends a message of 4 GiB',
      [welcome, named, Buffer.from('6c020001ffffffff01000000ffffffff', 'hex')],
      'host/bad-response',
    ],
    ['answers with no list', [welcome, named, answer({ signature: 's', body: ['none'] })], 'host/bad-response'],
    ['answers with nothing', [welcome, named, answer({})], 'host/bad-response'],
    [
      'answers with inhibitors of another shape',
      [welcome, named, answer({ signature: 'as', body: [['APT']] })],
      'host/bad-response',
    ],
    ['answers with an error without a name', [welcome, named, answer({ type: 'error' })], 'host/logind-failed'],
  ])('that %s', async (_, lines, code) => {
    script = lines;
    const passDeadline = code === 'host/deadline' ? clock.advance(10_000) : undefined;
    await Promise.all([expect(port().reboot()).rejects.toMatchObject({ code }), passDeadline]);
  });

  it('lets signals, calls and answers to others pass by', async () => {
    const noise: Partial<Message>[] = [
      { type: 'signal', replySerial: undefined, path: '/a', interface: 'a.b', member: 'NameAcquired' },
      { type: 'call', replySerial: undefined, path: '/a', member: 'Ping' },
      { replySerial: 77, signature: 's', body: ['no'] },
    ];
    const answers = [...noise.map(answer), answer({ signature: 's', body: ['yes'] })];
    script = [welcome, named, Buffer.concat(answers)];
    expect(await port().canReboot()).toEqual({ able: true });
  });

  it('reads answers that arrive in pieces', async () => {
    const bytes = answer({ signature: 's', body: ['yes'] });
    script = [welcome, named, [...bytes].map((byte) => Buffer.from([byte]))];
    expect(await port().canReboot()).toEqual({ able: true });
  });

  it('says what to do where there is no socket, and where a file is in its place', async () => {
    expect(await port('nothing').canReboot()).toEqual({
      able: false,
      code: 'host/no-bus',
      text: expect.stringMatching(/Mount the host's \/run\/dbus/),
    });
    await writeFile(join(directory, 'file'), '');
    expect(await port('file').canReboot()).toMatchObject({ able: false, code: 'host/bus-unreachable' });
  });
});

async function writeInPieces(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    socket.write(piece);
    await nextTurn();
  }
}
