import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Forwards TCP to a port of 127.0.0.1, and lets connections end in every way that networks know. */
export class TcpRelay {
  /** Where new connections go. */
  targetPort: number;
  /** How many connections were frozen or ended. */
  disturbed = 0;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #targets = new Set<Socket>();
  readonly #frozen = new WeakSet<Socket>();

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
    // Half of a connection may end before the other.
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const target = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true });
      this.#join(client, target, this.#clients);
      this.#join(target, client, this.#targets);
    });
  }

  static async start(targetPort: number): Promise<TcpRelay> {
    const relay = new TcpRelay(targetPort);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The connections there are stay open, and nothing passes on them any more; new ones work. */
  freeze(): void {
    this.disturbed += this.#clients.size;
    for (const socket of [...this.#clients, ...this.#targets]) this.#frozen.add(socket);
  }

  /** Tells the clients of the connections there are that nothing more will come, and still takes what they send. */
  halfClose(): void {
    this.disturbed += this.#clients.size;
    for (const client of this.#clients) {
      this.#frozen.add(client);
      client.end();
    }
    for (const target of this.#targets) this.#frozen.add(target);
  }

  /** Resets all connections. */
  cut(): void {
    this.disturbed += this.#clients.size;
    for (const client of this.#clients) client.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of [...this.#clients, ...this.#targets]) socket.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(from: Socket, to: Socket, own: Set<Socket>): void {
    own.add(from);
    from.on('error', () => undefined);
    from.on('data', (data) => {
      if (!this.#frozen.has(from)) to.write(data);
    });
    from.once('end', () => {
      if (!this.#frozen.has(from)) to.end();
    });
    from.once('close', () => {
      own.delete(from);
      to.destroy();
    });
  }
}
