import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  Http2ServerResponse,
} from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';

import { messageOf } from '../../../agent/errors.ts';
import { Clients } from '../../harness/clients.ts';
import { freePorts } from '../../harness/ports.ts';
import { EmulatedApiServer, type EmulatedApiServerOptions, MAX_BODY_BYTES } from './apiserver.ts';
import type { ApiRequest } from './requests.ts';
import { ConnectionCut } from './watch.ts';

type Incoming = IncomingMessage | Http2ServerRequest;
type Outgoing = ServerResponse | Http2ServerResponse;

/** An emulated API server on 127.0.0.1 behind TLS, over HTTP/2 and HTTP/1.1, as the real one is reached. */
export class KubernetesServer {
  readonly emulated: EmulatedApiServer;
  /** The ways in; the address stays the same through restarts. */
  readonly clients: Clients;
  readonly #port: number;
  readonly #connections = new Set<Socket>();
  #listener: Http2SecureServer | undefined;

  private constructor(emulated: EmulatedApiServer, port: number, folder: string) {
    this.emulated = emulated;
    this.#port = port;
    this.clients = new Clients(`https://127.0.0.1:${port}`, folder);
  }

  static async launch(options: EmulatedApiServerOptions = {}): Promise<KubernetesServer> {
    const [port = 0] = await freePorts(1);
    const folder = await mkdtemp(join(tmpdir(), 'nodetender-'));
    const server = new KubernetesServer(new EmulatedApiServer(options), port, folder);
    await server.start();
    return server;
  }

  /** TLS connections that are open. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** After `launch` only where it was stopped. What it stores is still there. */
  async start(): Promise<void> {
    const { authority } = this.clients;
    const serving = authority.issue({ commonName: 'kube-apiserver', hosts: ['127.0.0.1', 'localhost'] });
    const listener = createSecureServer({
      cert: serving.certificate,
      key: serving.key,
      ca: authority.certificate,
      allowHTTP1: true,
      requestCert: true,
      rejectUnauthorized: false,
      // As kube-apiserver's --http2-max-streams-per-connection.
      settings: { maxConcurrentStreams: 100 },
    });
    listener.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
      // A client that goes away in the middle is nothing to report.
      socket.on('error', () => {});
    });
    listener.on('request', (request: Incoming, response: Outgoing) => void this.#serve(request, response));
    listener.listen(this.#port, '127.0.0.1');
    await once(listener, 'listening');
    this.#listener = listener;
  }

  /** Nobody listens any more, and every connection is cut. */
  async stop(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    const closed = once(listener, 'close');
    listener.close();
    this.cutConnections();
    await closed;
  }

  /** As a firewall or a load balancer that restarts does. */
  cutConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  async destroy(): Promise<void> {
    this.clients.close();
    await this.stop();
    await rm(this.clients.folder, { recursive: true, force: true });
  }

  async #serve(incoming: Incoming, outgoing: Outgoing): Promise<void> {
    const gone = new AbortController();
    outgoing.once('close', () => gone.abort());
    outgoing.on('error', () => gone.abort());
    try {
      const { status, headers, body } = await this.emulated.handle(await requestOf(incoming, gone.signal));
      (outgoing as ServerResponse).writeHead(status, headers);
      if (typeof body === 'string') {
        outgoing.end(body);
        return;
      }
      // The client learns that its watch was accepted before anything happens.
      (outgoing as ServerResponse).flushHeaders();
      for await (const frame of body) {
        if (gone.signal.aborted) return;
        if (!(outgoing as ServerResponse).write(frame)) await drained(outgoing, gone.signal);
      }
      outgoing.end();
    } catch (error) {
      if (gone.signal.aborted) return;
      if (error instanceof ConnectionCut) cut(outgoing);
      // A mistake of the emulator's own: the test that meets it should say what it was.
      else (outgoing as ServerResponse).writeHead(500).end(messageOf(error));
    }
  }
}

async function requestOf(incoming: Incoming, signal: AbortSignal): Promise<ApiRequest> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    // One byte too many is enough for the refusal.
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
    bytes += chunk.length;
  }
  const certificate = certificateOf(incoming.socket);
  return {
    method: incoming.method ?? 'GET',
    url: incoming.url ?? '/',
    headers: headersOf(incoming),
    body: isProtobuf(incoming) ? Buffer.concat(chunks) : Buffer.concat(chunks).toString(),
    ...(certificate === undefined ? {} : { certificate }),
    signal,
  };
}

function isProtobuf({ headers }: Incoming): boolean {
  return headers['content-type'] === 'application/vnd.kubernetes.protobuf';
}

function headersOf(incoming: Incoming): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

function certificateOf(socket: Socket): ApiRequest['certificate'] {
  if (!('getPeerX509Certificate' in socket)) return undefined;
  const tls = socket as TLSSocket;
  const { subject } = tls.authorized ? tls.getPeerCertificate() : {};
  if (subject === undefined) return undefined;
  return { commonName: [subject.CN].flat()[0] ?? '', organizations: [subject.O ?? []].flat() };
}

async function drained(outgoing: Outgoing, signal: AbortSignal): Promise<void> {
  await once(outgoing, 'drain', { signal }).catch(() => {});
}

function cut(outgoing: Outgoing): void {
  if (outgoing instanceof Http2ServerResponse) outgoing.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else outgoing.destroy();
}
