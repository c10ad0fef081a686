import { connect, type TLSSocket } from 'node:tls';

import type { Clock } from '../clock.ts';
import type { ClusterAccess, TlsMaterial } from './access.ts';
import { withinDeadline } from '../deadline.ts';
import { ClusterError, dialError } from './errors.ts';
import { type HttpRequest, type HttpResponse, type Line, tlsOptions } from './http.ts';
import { Http1Line } from './http1.ts';
import { Http2Line } from './http2.ts';

/** Something that carries requests to an API server. Rejects with a ClusterError. */
export interface Transport {
  /** `signal` ends the request, and later the reading of its body. */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  lastHeardMs(): number | undefined;
  /** What was shown to the server was refused: read it again before the next request. */
  forget(): void;
  close(): void;
}

export interface TransportOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly dialTimeoutMs?: number | undefined;
  /** With HTTP/2, a connection that has been silent for so long is asked whether it lives… */
  readonly pingAfterMs?: number | undefined;
  /** …and given up when it does not answer within this. */
  readonly pingTimeoutMs?: number | undefined;
  /** With HTTP/1.1, a response that has been silent for so long is given up. */
  readonly silenceLimitMs?: number | undefined;
}

/**
 * One TLS connection for everything. HTTP/2 carries requests and watches side by side, and its pings find a connection
 * whose other end has gone silently; a thousand agents with a few watches each are a thousand connections to the API
 * server and not several thousand. HTTP/1.1, with a connection for each watch, is for proxies that know nothing else.
 */
export class ClusterTransport implements Transport {
  readonly #options: TransportOptions;
  #line: { readonly line: Line; readonly tls: TlsMaterial } | undefined;
  #dialing: { readonly line: Promise<Line>; readonly tls: TlsMaterial } | undefined;
  #lastHeardMs: number | undefined;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { tls, headers } = await this.#options.access.present();
    const line = await this.#lineFor(tls);
    const base = this.#options.access.server.pathname.replace(/\/$/, '');
    const response = await line.send(
      { ...request, path: `${base}${request.path}`, headers: { ...request.headers, ...headers } },
      signal,
    );
    this.#heard();
    return response;
  }

  lastHeardMs(): number | undefined {
    return this.#lastHeardMs;
  }

  forget(): void {
    this.#options.access.forget();
  }

  close(): void {
    this.#closed = true;
    this.#line?.line.destroy();
  }

  readonly #heard = (): void => {
    this.#lastHeardMs = this.#options.clock.monotonicMs();
  };

  async #lineFor(tls: TlsMaterial): Promise<Line> {
    this.#refuseWhenClosed();
    if (this.#line !== undefined) {
      if (this.#line.line.usable && sameMaterial(this.#line.tls, tls)) return this.#line.line;
      this.#line.line.retire();
      this.#line = undefined;
    }
    if (this.#dialing === undefined || !sameMaterial(this.#dialing.tls, tls)) {
      this.#dialing = { line: this.#dial(tls), tls };
    }
    const dialing = this.#dialing;
    try {
      return this.#adopted(await dialing.line, tls);
    } finally {
      if (this.#dialing === dialing) this.#dialing = undefined;
    }
  }

  /** A line that has just come about; several requests may have waited for it, and we may have been closed meanwhile. */
  #adopted(line: Line, tls: TlsMaterial): Line {
    if (this.#closed) line.destroy();
    this.#refuseWhenClosed();
    if (this.#line?.line !== line) {
      this.#line?.line.retire();
      this.#line = { line, tls };
    }
    return line;
  }

  #refuseWhenClosed(): void {
    if (this.#closed) {
      throw new ClusterError('cluster/cancelled', 'the connection to the API server was closed', { notApplied: true });
    }
  }

  async #dial(tls: TlsMaterial): Promise<Line> {
    const { access, clock, dialTimeoutMs = 10_000, pingAfterMs = 30_000, pingTimeoutMs = 15_000 } = this.#options;
    const { silenceLimitMs = 600_000 } = this.#options;
    const { server } = access;
    const oneByOne = (): Line => new Http1Line({ server, tls, silenceLimitMs, onHeard: this.#heard });
    if (server.protocol === 'http:') return oneByOne();
    const socket = await withinDeadline(
      { clock, ms: dialTimeoutMs, signal: undefined },
      async (signal) => await handshake(server, tls, signal),
      () => dialError(server.origin, new Error(`no TLS handshake within ${dialTimeoutMs / 1000} s`)),
    );
    this.#heard();
    if (socket.alpnProtocol === 'h2') {
      return new Http2Line({ server, socket, clock, pingAfterMs, pingTimeoutMs, onHeard: this.#heard });
    }
    socket.destroy();
    return oneByOne();
  }
}

async function handshake(server: URL, tls: TlsMaterial, signal: AbortSignal): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  let socket: TLSSocket;
  try {
    socket = connect({ ...tlsOptions(server, tls), ALPNProtocols: ['h2', 'http/1.1'] });
  } catch (error) {
    // A CA, certificate or key that is none.
    throw dialError(server.origin, error);
  }
  const fail = (error: unknown): void => {
    socket.destroy();
    reject(dialError(server.origin, error));
  };
  const abort = (): void => fail(new Error('given up'));
  socket.once('error', fail);
  socket.once('close', () => fail(new Error('closed in the handshake')));
  signal.addEventListener('abort', abort, { once: true });
  socket.once('secureConnect', () => {
    signal.removeEventListener('abort', abort);
    socket.removeAllListeners('error');
    socket.removeAllListeners('close');
    // Whoever takes the socket listens for errors; one in between must not end the process.
    socket.on('error', () => undefined);
    socket.setKeepAlive(true, 30_000);
    resolve(socket);
  });
  return await promise;
}

function sameMaterial(one: TlsMaterial, other: TlsMaterial): boolean {
  return (
    one.ca === other.ca &&
    one.cert === other.cert &&
    one.key === other.key &&
    one.servername === other.servername &&
    one.rejectUnauthorized === other.rejectUnauthorized
  );
}
