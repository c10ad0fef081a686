import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';

import type { Message } from '../../../agent/host/dbus/message.ts';
import type { EmulatedHost } from './host.ts';
import { answerAsLogin1 } from './login1.ts';
import { MessageSocket } from './messagesocket.ts';

/** A system bus in this process with nobody on it but an emulated host's logind. */
export class EmulatedBus {
  readonly socketPath: string;
  /** Called with each call to logind before it is answered. */
  onCall: (call: Message) => void = () => undefined;
  readonly #host: EmulatedHost;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(socketPath: string, host: EmulatedHost) {
    this.socketPath = socketPath;
    this.#host = host;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async start(): Promise<void> {
    this.#server.listen(this.socketPath);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await rm(this.socketPath, { force: true });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    let text = '';
    const authenticate = (bytes: Buffer): void => {
      text += bytes.toString('latin1');
      const [opening, data, begin] = text.split('\r\n', 3);
      if (opening !== '' && data === '') socket.write('DATA\r\n');
      if (data === 'DATA' && begin === '') socket.write(`OK ${'0'.repeat(32)}\r\n`);
      const end = text.indexOf('BEGIN\r\n');
      if (end === -1) return;
      socket.off('data', authenticate);
      const messages: MessageSocket = new MessageSocket(socket, (call) => this.#answer(messages, call));
      messages.receive(Buffer.from(text.slice(end + 'BEGIN\r\n'.length), 'latin1'));
    };
    socket.on('data', authenticate);
  }

  #answer(messages: MessageSocket, call: Message): void {
    if (call.member === 'Hello') return messages.answer(call, { signature: 's', body: [':1.1'] });
    if (!this.#host.hasLogind) {
      return messages.answer(call, { errorName: 'org.freedesktop.DBus.Error.ServiceUnknown', text: 'no such name' });
    }
    this.onCall(call);
    return messages.answer(call, answerAsLogin1(this.#host, call));
  }
}
