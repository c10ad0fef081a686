import type { Socket } from 'node:net';

import { decodeMessage, encodeMessage, type Message, messageLength } from '../../../agent/host/dbus/message.ts';
import type { Answer } from './login1.ts';

/** Messages over a socket on which the authentication is over. */
export class MessageSocket {
  readonly #socket: Socket;
  readonly #onMessage: (message: Message) => void;
  #received = Buffer.alloc(0);
  #lastSerial = 0;

  constructor(socket: Socket, onMessage: (message: Message) => void) {
    this.#socket = socket;
    this.#onMessage = onMessage;
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
  }

  receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const length = messageLength(this.#received);
      if (length === undefined || this.#received.length < length) return;
      const message = decodeMessage(this.#received.subarray(0, length));
      this.#received = this.#received.subarray(length);
      this.#onMessage(message);
    }
  }

  send(message: Omit<Message, 'serial'>): number {
    this.#lastSerial += 1;
    this.#socket.write(encodeMessage({ ...message, serial: this.#lastSerial }));
    return this.#lastSerial;
  }

  /** Answers a call as an object on the bus does. */
  answer(call: Message, answer: Answer): void {
    if (answer === 'silence') return;
    if (answer === 'gone') {
      this.#socket.destroy();
      return;
    }
    const address = { replySerial: call.serial, destination: call.sender };
    if ('errorName' in answer) {
      const { errorName, text } = answer;
      this.send({ type: 'error', ...address, errorName, signature: 's', body: [text] });
    } else this.send({ type: 'return', ...address, ...answer });
  }
}
