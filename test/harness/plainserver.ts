import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A server on 127.0.0.1, without TLS, that answers as a test says. */
export class PlainServer {
  readonly received: Received[] = [];
  /** For the next requests, one each; then `reply`. */
  readonly replies: ((response: ServerResponse) => void)[] = [];
  reply: (response: ServerResponse) => void = (response) => response.end('ok');
  /** What it says as a proxy to CONNECT; nothing when empty. */
  replyToConnect = '';
  readonly #tunnels = new Set<Duplex>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('connect', ({ url = '', headers }, socket) => {
      this.received.push({ method: 'CONNECT', url, headers, body: '' });
      this.#tunnels.add(socket.on('error', () => undefined));
      if (this.replyToConnect !== '') socket.end(this.replyToConnect);
    });
  }

  static async start(): Promise<PlainServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PlainServer(server);
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    for (const socket of this.#tunnels) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    this.received.push({ method, url, headers, body: await text(request) });
    (this.replies.shift() ?? this.reply)(response);
  }
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}, body = '') {
  return (response: ServerResponse): void => void response.writeHead(code, headers).end(body);
}
