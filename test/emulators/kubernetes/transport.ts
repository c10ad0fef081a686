import type { Clock } from '../../../agent/clock.ts';
import { ClusterError } from '../../../agent/cluster/errors.ts';
import type { HttpRequest, HttpResponse } from '../../../agent/cluster/http.ts';
import type { Transport } from '../../../agent/cluster/transport.ts';
import { messageOf } from '../../../agent/errors.ts';
import type { ApiResponse, EmulatedApiServer } from './apiserver.ts';
import { Link } from './link.ts';

export interface InMemoryTransportOptions {
  readonly server: EmulatedApiServer;
  /** As a client certificate would name it; what it may do is `server.access`. */
  readonly user: string;
  readonly clock: Clock;
  readonly link?: Link;
}

/**
 * The agent's client straight on an emulated API server: no sockets, so that a simulation runs on a virtual clock with
 * hundreds of agents in one process.
 */
export class InMemoryTransport implements Transport {
  readonly #options: InMemoryTransportOptions;
  readonly #link: Link;
  readonly #life = new AbortController();
  #heardMs: number | undefined;

  constructor(options: InMemoryTransportOptions) {
    this.#options = options;
    this.#link = options.link ?? new Link();
  }

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    if (this.#life.signal.aborted) throw refused('cluster/cancelled', 'the connection was closed');
    if (!this.#link.up) throw refused('cluster/unavailable', 'no connection: the link is down');
    const cutBy = AbortSignal.any([this.#life.signal, this.#link.signal]);
    let answer: ApiResponse;
    try {
      answer = await this.#options.server.handle({
        method: request.method,
        url: request.path,
        headers: lowerCased(request.headers),
        body: request.body ?? '',
        certificate: { commonName: this.#options.user, organizations: [] },
        signal: AbortSignal.any([signal, cutBy]),
      });
    } catch (error) {
      throw cut(error);
    }
    if (cutBy.aborted || this.#link.answersLost) throw cut('the link failed before the answer');
    this.#heard();
    return this.#response(answer, cutBy);
  }

  lastHeardMs(): number | undefined {
    // A silent HTTP/2 connection is pinged all the time: while the link carries answers, one is as good as there.
    if (this.#heardMs !== undefined && this.#link.up && !this.#link.answersLost) this.#heard();
    return this.#heardMs;
  }

  forget(): void {
    // The user is who it is.
  }

  close(): void {
    this.#life.abort();
  }

  #response({ status, headers, body }: ApiResponse, cutBy: AbortSignal): HttpResponse {
    const frames = typeof body === 'string' ? [body] : body;
    return {
      status,
      header: (name) => headers[name.toLowerCase()],
      body: this.#chunks(frames, cutBy),
      // A watch ends by the signal that its request was sent with.
      destroy: () => undefined,
    };
  }

  async *#chunks(frames: Iterable<string> | AsyncIterable<string>, cutBy: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for await (const frame of frames) {
        if (cutBy.aborted) break;
        this.#heard();
        yield Buffer.from(frame);
      }
    } catch (error) {
      throw cut(error);
    }
    if (cutBy.aborted) throw cut('the link went down');
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs();
  }
}

function lowerCased(headers: HttpRequest['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function refused(code: 'cluster/cancelled' | 'cluster/unavailable', message: string): ClusterError {
  return new ClusterError(code, message, { notApplied: true });
}

/** The request may have been acted on. */
function cut(cause: unknown): ClusterError {
  return new ClusterError('cluster/unavailable', `the connection was cut: ${messageOf(cause)}`, { cause });
}
