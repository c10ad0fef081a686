import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { Agent, createServer, request as httpsRequest, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { CertificateAuthority } from './certificates.ts';
import type { Protocol } from './scriptedserver.ts';
import { TcpRelay } from './tcprelay.ts';

/** A request on its way to the API server. */
export interface PassingRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly isWatch: boolean;
  readonly token: string | undefined;
  /** Of a write. */
  readonly body: string;
}

/** One that a fault has struck. */
export interface StruckRequest extends PassingRequest {
  /** performance.now(). */
  readonly atMs: number;
}

/** What happens to requests instead of, or before, reaching the API server. */
export interface PassingFault {
  /** Every request where left out. */
  readonly matches?: (request: PassingRequest) => boolean;
  /** Every one where left out. */
  readonly times?: number;
  /** Said in place of the API server. */
  readonly refuse?: { readonly status: number; readonly reason: string; readonly retryAfterSeconds?: number };
  /** Before it is passed on. */
  readonly delayMs?: number;
  /** The API server does what was asked, and the answer never arrives: the stream is cut. */
  readonly loseAnswer?: boolean;
  /** Called with each request that the fault strikes, and waited for, before it arrives; with `loseAnswer` when it is answered. */
  readonly onStrike?: (request: PassingRequest) => Promise<void> | void;
  /** It does not arrive. */
  readonly loseRequest?: boolean;
}

const upstreamSockets = 64;
/** They belong to a connection and not to what it carries (RFC 9110, 7.6.1), and HTTP/2 refuses them. */
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection']);

/**
 * A load balancer in front of a real API server that ends TLS with a certificate of its own and misbehaves on request: in
 * what it answers, and, by the relay in front of it, in how connections end. Who asks is told by bearer token alone.
 */
export class FaultProxy {
  /** Signs the certificate that is shown now. PEM. */
  certificateAuthority: string;
  /** Connections pass through it before anything is understood of them. */
  readonly relay: TcpRelay;
  readonly struck: StruckRequest[] = [];
  readonly #server: Http2SecureServer | Server;
  readonly #target: URL;
  readonly #agent: Agent;
  readonly #watches = new Set<Http2ServerResponse>();
  #faults: { readonly fault: PassingFault; left: number }[] = [];

  private constructor(server: Http2SecureServer | Server, relay: TcpRelay, authority: string, target: Target) {
    this.#server = server;
    this.relay = relay;
    this.certificateAuthority = authority;
    this.#target = new URL(target.url);
    this.#agent = new Agent({ keepAlive: true, ca: target.certificateAuthority, maxSockets: upstreamSockets });
    // Node gives requests and responses of HTTP/2 the shape of those of HTTP/1.1.
    const events = server as Http2SecureServer;
    for (const event of ['sessionError', 'tlsClientError'] as const) events.on(event, () => undefined);
    events.on('request', (request, response) => void this.#pass(request, response));
  }

  static async start(target: Target, protocol: Protocol): Promise<FaultProxy> {
    const authority = new CertificateAuthority('authority of the load balancer');
    const shown = shownBy(authority);
    const server = protocol === 'h2' ? createSecureServer(shown) : createServer(shown);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const relay = await TcpRelay.start((server.address() as AddressInfo).port);
    return new FaultProxy(server, relay, authority.certificate, target);
  }

  get port(): number {
    return this.relay.port;
  }

  add(fault: PassingFault): void {
    this.#faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  /** Everything passes again. */
  clear(): void {
    this.#faults = [];
  }

  /** Tells every open watch that its past is gone, as an API server does whose etcd was compacted. */
  expireWatches(): void {
    const object = statusOf(410, 'Expired', 'too old resource version');
    for (const response of this.#watches) response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
  }

  /** Shows a certificate of a new authority on new connections. */
  rotateAuthority(): void {
    const authority = new CertificateAuthority('authority of the load balancer');
    this.certificateAuthority = authority.certificate;
    this.#server.setSecureContext(shownBy(authority));
  }

  /** Leaves everything to the API server itself, on connections made from now on. */
  stepAside(): void {
    this.relay.targetPort = Number(this.#target.port);
    this.relay.cut();
  }

  async close(): Promise<void> {
    await this.relay.close();
    this.#agent.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  async #pass(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const passing = await passingOf(request);
    const fault = this.#take(passing);
    if (fault?.loseAnswer !== true) await fault?.onStrike?.(passing);
    if (fault?.loseRequest === true) {
      cutStream(response);
      return;
    }
    if (fault?.delayMs !== undefined) await delay(fault.delayMs);
    if (fault?.refuse !== undefined) {
      refuse(response, fault.refuse);
      return;
    }
    const answer = await this.#ask(request, passing.body, response);
    if (answer === undefined || fault?.loseAnswer === true) {
      if (fault?.loseAnswer === true) await fault.onStrike?.(passing);
      answer?.resume();
      cutStream(response);
      return;
    }
    if (passing.isWatch) this.#watches.add(response);
    response.once('close', () => this.#watches.delete(response));
    response.writeHead(answer.statusCode ?? 502, passedOn(answer.headers));
    // HTTP/1.1 keeps the head back until there is a body; HTTP/2 does not, and has no such method.
    if ('flushHeaders' in response) (response as { flushHeaders(): void }).flushHeaders();
    answer.once('error', () => cutStream(response));
    answer.pipe(response);
  }

  #take(request: PassingRequest): PassingFault | undefined {
    const found = this.#faults.find(({ fault, left }) => left > 0 && (fault.matches?.(request) ?? true));
    if (found === undefined) return undefined;
    found.left -= 1;
    this.struck.push({ ...request, atMs: performance.now() });
    return found.fault;
  }

  /** The API server's answer when its head is there; undefined where the API server could not be asked. */
  async #ask(
    request: Http2ServerRequest,
    body: string,
    response: Http2ServerResponse,
  ): Promise<IncomingMessage | undefined> {
    const { promise, resolve } = Promise.withResolvers<IncomingMessage | undefined>();
    const { method, url, headers } = request;
    const asked = httpsRequest(new URL(url, this.#target), { method, headers: passedOn(headers), agent: this.#agent });
    asked.once('response', resolve);
    asked.on('error', () => resolve(undefined));
    response.once('close', () => asked.destroy());
    asked.end(body);
    return await promise;
  }
}

interface Target {
  readonly url: string;
  /** PEM. */
  readonly certificateAuthority: string;
}

function shownBy(authority: CertificateAuthority): { cert: string; key: string } {
  const { certificate, key } = authority.issue({ commonName: 'load balancer', hosts: ['127.0.0.1'] });
  return { cert: certificate, key };
}

/** What the client has given up by then counts as sent without a body. */
async function passingOf(request: Http2ServerRequest): Promise<PassingRequest> {
  const { method, url, headers } = request;
  const isWatch = new URL(url, 'https://any').searchParams.get('watch') === 'true';
  const token = headers.authorization?.replace(/^Bearer /, '');
  const body = method === 'GET' ? '' : await text(request).catch(() => '');
  return { method, path: url, isWatch, token, body };
}

function passedOn(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':') && !hopByHop.has(name)));
}

function statusOf(code: number, reason: string, message: string, retryAfterSeconds?: number): object {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message, ...details };
}

function refuse(response: Http2ServerResponse, how: NonNullable<PassingFault['refuse']>): void {
  const { status, reason, retryAfterSeconds } = how;
  const retryAfter = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  response.writeHead(status, { 'content-type': 'application/json', ...retryAfter });
  response.end(JSON.stringify(statusOf(status, reason, 'refused on request', retryAfterSeconds)));
}

/** Of HTTP/2 the stream alone, of HTTP/1.1 its connection. */
function cutStream(response: Http2ServerResponse): void {
  response.stream?.close(constants.NGHTTP2_INTERNAL_ERROR);
  if (response.stream === undefined) response.socket.destroy();
}
