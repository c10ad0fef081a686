import { Agent as PlainAgent, type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent, request as tlsRequest } from 'node:https';

import type { TlsMaterial } from './access.ts';
import { cutError, dialError } from './errors.ts';
import { type HttpRequest, type HttpResponse, type Line, tlsOptions } from './http.ts';

export interface Http1LineOptions {
  readonly server: URL;
  readonly tls: TlsMaterial;
  readonly silenceLimitMs: number;
  /** Called at every sign of life. */
  readonly onHeard: () => void;
}

const agentOptions = {
  keepAlive: true,
  keepAliveMsecs: 30_000,
  // Each watch occupies one; a drain's evictions share the rest.
  maxSockets: 32,
  maxFreeSockets: 1,
  scheduling: 'lifo',
} as const;

/** One keep-alive agent: a connection for each request in flight, one kept for the next. */
export class Http1Line implements Line {
  readonly #options: Http1LineOptions;
  readonly #agent: Agent | PlainAgent;
  #retired = false;

  constructor(options: Http1LineOptions) {
    this.#options = options;
    this.#agent =
      options.server.protocol === 'http:'
        ? new PlainAgent(agentOptions)
        : new Agent({ ...agentOptions, ...tlsOptions(options.server, options.tls) });
  }

  get usable(): boolean {
    return !this.#retired;
  }

  async send({ method, path, headers, body }: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { server, silenceLimitMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    const start = server.protocol === 'http:' ? plainRequest : tlsRequest;
    let connected = false;
    let request: ClientRequest;
    try {
      request = start(new URL(path, server), { agent: this.#agent, method, headers: { ...headers }, signal });
    } catch (error) {
      throw dialError(server.origin, error);
    }
    request.on('error', (error) => {
      reject(connected ? cutError(server.origin, error) : dialError(server.origin, error));
    });
    request.once('socket', (socket) => {
      connected = request.reusedSocket;
      if (connected) return;
      socket.once(server.protocol === 'http:' ? 'connect' : 'secureConnect', () => {
        connected = true;
      });
    });
    let silent: Error | undefined;
    request.setTimeout(silenceLimitMs, () => {
      silent = new Error(`silent for ${silenceLimitMs / 1000} s`);
      request.destroy(silent);
    });
    request.once('response', (response) => {
      this.#options.onHeard();
      resolve({
        status: response.statusCode ?? 0,
        header: (name) => response.headers[name]?.toString(),
        body: this.#body(response, () => silent),
        destroy: () => void response.destroy(),
      });
    });
    request.end(body);
    return await promise;
  }

  retire(): void {
    this.#retired = true;
    // With no room for free sockets, each closes as its request ends.
    this.#agent.maxFreeSockets = 0;
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  destroy(): void {
    this.#retired = true;
    this.#agent.destroy();
  }

  async *#body(response: IncomingMessage, known: () => Error | undefined): AsyncIterable<Uint8Array> {
    try {
      for await (const chunk of response) {
        this.#options.onHeard();
        yield chunk as Buffer;
      }
    } catch (error) {
      throw cutError(this.#options.server.origin, known() ?? error);
    }
  }
}
