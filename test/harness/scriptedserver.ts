import { once } from 'node:events';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import type { CertificateAuthority } from './certificates.ts';

export type Protocol = 'h2' | 'http/1.1';

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Tells connections apart. */
  readonly clientPort: number | undefined;
}

/** What the server does with one request. */
export type Reply = (response: Http2ServerResponse, request: ReceivedRequest) => void;

/** One that does not look at the request. */
type PlainReply = (response: Http2ServerResponse) => void;

/** A TLS server on 127.0.0.1 that answers as a test says: for what no real API server can be made to do. */
export class ScriptedServer {
  readonly requests: ReceivedRequest[] = [];
  /** For the next requests, one each; then `reply`. */
  readonly replies: Reply[] = [];
  reply: Reply = json({});
  readonly #server: Http2SecureServer | Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Http2SecureServer | Server) {
    this.#server = server;
    // Node gives requests and responses of HTTP/2 the shape of those of HTTP/1.1.
    const events = server as Http2SecureServer;
    events.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    events.on('sessionError', () => undefined);
    events.on('tlsClientError', () => undefined);
    events.on('request', (request, response) => void this.#answer(request, response));
  }

  static async start(authority: CertificateAuthority, protocol: Protocol, port = 0): Promise<ScriptedServer> {
    const { certificate, key } = authority.issue({ commonName: 'scripted', hosts: ['127.0.0.1'] });
    const options = { cert: certificate, key };
    const server = protocol === 'h2' ? createSecureServer(options) : createServer(options);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedServer(server);
  }

  /** How many connections requests have come on. */
  get connections(): number {
    return new Set(this.requests.map(({ clientPort }) => clientPort)).size;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  /** Ends all connections at once, as a power cut of something in between would. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  async #answer(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const { method, url, headers } = request;
    const clientPort = request.socket.remotePort;
    const received = { method, url, headers, body: await text(request).catch(() => ''), clientPort };
    this.requests.push(received);
    (this.replies.shift() ?? this.reply)(response, received);
  }
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): PlainReply {
  return raw(JSON.stringify(value), status, { 'content-type': 'application/json', ...headers });
}

export function raw(body: string, status = 200, headers: Record<string, string> = {}): PlainReply {
  return (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}

/** As an API server refuses. */
export function refusal(
  code: number,
  reason: string,
  message: string,
  headers: Record<string, string> = {},
): PlainReply {
  return json({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code }, code, headers);
}

/** Sends the head of an answer, and nothing of its body yet. */
export function begin(response: Http2ServerResponse): void {
  response.writeHead(200);
  // HTTP/1.1 keeps the head back until there is a body; HTTP/2 does not, and has no such method.
  if ('flushHeaders' in response) (response as { flushHeaders(): void }).flushHeaders();
}

/** Nothing ever comes. */
export const silence: PlainReply = () => undefined;
