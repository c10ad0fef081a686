import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { messageOf, NodetenderError } from '../../errors.ts';
import { Authentication, OPENING } from './authentication.ts';
import { decodeMessage, encodeMessage, type Message, messageLength } from './message.ts';
import { malformed, type Value } from './signature.ts';

export interface MethodCall {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** Types of `body`; empty for a method without arguments. */
  readonly signature: string;
  readonly body: readonly Value[];
}

/** What the called object, or the bus in its place, answered instead of a result. */
export class BusError extends Error {
  override readonly name = 'BusError';
  /** For example `org.freedesktop.DBus.Error.AccessDenied`. */
  readonly errorName: string;

  constructor(errorName: string, message: string) {
    super(message);
    this.errorName = errorName;
  }
}

interface Pending {
  readonly resolve: (body: readonly Value[]) => void;
  readonly reject: (error: Error) => void;
}

const HELLO: MethodCall = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'Hello',
  signature: '',
  body: [],
};

/**
 * A conversation with the message bus behind a unix socket: method calls and their answers, nothing else. It waits without
 * a limit of its own; whoever holds it ends it at a deadline with `close`, which rejects all that is pending.
 */
export class BusConnection {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<void>();
  #authentication: Authentication | undefined = new Authentication();
  #received: Buffer = Buffer.alloc(0);
  #lastSerial = 0;
  #ended: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // Whoever waits is told; nobody waiting is no failure.
    this.#ready.promise.catch(() => undefined);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (error) => this.#end(lost(error.message)));
    socket.on('close', () => this.#end(lost('it was closed')));
  }

  /** Connects, authenticates and says Hello. Throws `host/no-bus`, `host/bus-denied`, `host/bus-unreachable` or `host/bad-response`. */
  static async open(socketPath: string, signal: AbortSignal): Promise<BusConnection> {
    const socket = connect(socketPath);
    try {
      await once(socket, 'connect', { signal });
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw unreachable(socketPath, error);
    }
    const connection = new BusConnection(socket);
    signal.addEventListener('abort', () => connection.close(), { once: true });
    if (signal.aborted) connection.close();
    socket.write(OPENING);
    await connection.#ready.promise;
    await connection.call(HELLO);
    return connection;
  }

  /** The values of the answer. Rejects with a BusError when the answer is an error. */
  async call(call: MethodCall): Promise<readonly Value[]> {
    if (this.#ended !== undefined) throw this.#ended;
    this.#lastSerial += 1;
    const serial = this.#lastSerial;
    const { promise, resolve, reject } = Promise.withResolvers<readonly Value[]>();
    this.#pending.set(serial, { resolve, reject });
    this.#socket.write(encodeMessage({ type: 'call', serial, ...call }));
    return await promise;
  }

  close(): void {
    this.#end(lost('it was closed from this side'));
  }

  #receive(bytes: Buffer): void {
    if (this.#ended !== undefined) return;
    try {
      if (this.#authentication === undefined) this.#receiveMessages(bytes);
      else this.#authenticate(this.#authentication, bytes);
    } catch (error) {
      this.#end(error instanceof NodetenderError ? error : malformed(messageOf(error)));
    }
  }

  #authenticate(authentication: Authentication, bytes: Buffer): void {
    const { send, done } = authentication.receive(bytes);
    if (send !== '') this.#socket.write(send);
    if (!done) return;
    this.#authentication = undefined;
    this.#ready.resolve();
  }

  #receiveMessages(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (;;) {
      const length = messageLength(this.#received);
      if (length === undefined || this.#received.length < length) return;
      const message = decodeMessage(this.#received.subarray(0, length));
      this.#received = this.#received.subarray(length);
      this.#settle(message);
    }
  }

  /** Signals and calls from others are none of ours: nobody knows our name. */
  #settle({ type, replySerial, errorName, body }: Message): void {
    if (replySerial === undefined || (type !== 'return' && type !== 'error')) return;
    const pending = this.#pending.get(replySerial);
    if (pending === undefined) return;
    this.#pending.delete(replySerial);
    if (type === 'return') pending.resolve(body);
    else
      pending.reject(new BusError(errorName ?? 'an error without a name', typeof body[0] === 'string' ? body[0] : ''));
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#socket.destroy();
    this.#ready.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

function lost(why: string): NodetenderError {
  return new NodetenderError('host/bus-unreachable', `the connection to the system bus has ended: ${why}`);
}

/** Nothing at the path is another matter than a bus that does not answer: there the host may have no bus at all. */
function unreachable(socketPath: string, error: unknown): NodetenderError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const found = `cannot connect to the system bus at ${socketPath}: ${messageOf(error)}`;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new NodetenderError(
      'host/no-bus',
      `${found}. Mount the host's /run/dbus into the pod, or choose another reboot method where the host has no D-Bus.`,
      { cause: error },
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new NodetenderError(
      'host/bus-denied',
      `${found}. The agent must run as root (uid 0), and AppArmor or SELinux, if there, must allow its container the socket.`,
      { cause: error },
    );
  }
  return new NodetenderError('host/bus-unreachable', `${found}. Check that dbus runs on the host.`, { cause: error });
}
