import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { Authentication, OPENING } from '../../agent/host/dbus/authentication.ts';
import type { Message } from '../../agent/host/dbus/message.ts';
import type { Value } from '../../agent/host/dbus/signature.ts';
import type { EmulatedHost } from '../emulators/host/host.ts';
import { answerAsLogin1 } from '../emulators/host/login1.ts';
import { MessageSocket } from '../emulators/host/messagesocket.ts';

const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus' };

/** An emulated host's logind as a service on a real bus. */
export class Login1Service {
  /** Called with each call before it is answered. */
  onCall: (call: Message) => void = () => undefined;
  readonly #socket: Socket;
  readonly #host: EmulatedHost;
  readonly #messages: MessageSocket;
  readonly #replies = new Map<number, (body: readonly Value[]) => void>();

  private constructor(socket: Socket, host: EmulatedHost) {
    this.#socket = socket;
    this.#host = host;
    this.#messages = new MessageSocket(socket, (message) => this.#receive(message));
  }

  /** Joins the bus under logind's name. */
  static async join(socketPath: string, host: EmulatedHost): Promise<Login1Service> {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    const authentication = new Authentication();
    socket.write(OPENING);
    for (let done = false; !done;) {
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      const step = authentication.receive(bytes);
      socket.write(step.send);
      done = step.done;
    }
    const service = new Login1Service(socket, host);
    await service.#call('Hello', '', []);
    const [owner] = await service.#call('RequestName', 'su', ['org.freedesktop.login1', 0]);
    if (owner !== 1) throw new Error(`somebody else is logind on ${socketPath}`);
    return service;
  }

  /** Leaves the bus, and its name with it. */
  async leave(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }

  #receive(message: Message): void {
    if (message.type === 'call') {
      this.onCall(message);
      this.#messages.answer(message, answerAsLogin1(this.#host, message));
      return;
    }
    this.#replies.get(message.replySerial ?? 0)?.(message.body);
  }

  async #call(member: string, signature: string, body: readonly Value[]): Promise<readonly Value[]> {
    const { promise, resolve } = Promise.withResolvers<readonly Value[]>();
    const serial = this.#messages.send({ type: 'call', ...BUS, member, signature, body });
    this.#replies.set(serial, resolve);
    return await promise;
  }
}
