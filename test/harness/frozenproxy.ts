import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Forwards TCP to a port of 127.0.0.1; a connection that it freezes stays open, and nothing passes on it any more. */
export class FrozenProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #frozen = new WeakSet<Socket>();

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      const target = connect(targetPort, '127.0.0.1');
      this.#join(client, target);
      this.#join(target, client);
    });
  }

  static async start(targetPort: number): Promise<FrozenProxy> {
    const proxy = new FrozenProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Freezes the connections there are; new ones work. */
  freeze(): void {
    for (const socket of this.#sockets) this.#frozen.add(socket);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('data', (data) => {
      if (!this.#frozen.has(from)) to.write(data);
    });
    from.once('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
