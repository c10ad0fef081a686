import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import type { Credentials } from './certificates.ts';

/** A body as the API server speaks it: whatever JSON there is. */
export type Json = Record<string, unknown>;

export interface ApiAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Json;
}

export interface SendOptions {
  readonly contentType?: string;
  readonly accept?: string;
}

const mergePatch: SendOptions = { contentType: 'application/merge-patch+json' };
const DEADLINE_MS = 30_000;

/**
 * Plain requests to an API server, real or emulated, as a test's own hands: what an administrator or a controller does
 * beside the agent. Knows nothing of the agent's client.
 */
export class Api {
  readonly #server: string;
  readonly #agent: Agent;
  readonly #token: string | undefined;

  constructor(options: {
    readonly server: string;
    readonly certificateAuthority?: string;
    readonly user: Credentials | { readonly token: string };
  }) {
    this.#server = options.server;
    this.#token = 'token' in options.user ? options.user.token : undefined;
    this.#agent = new Agent({
      keepAlive: true,
      ...(options.certificateAuthority === undefined ? {} : { ca: options.certificateAuthority }),
      ...('token' in options.user ? {} : { cert: options.user.certificate, key: options.user.key }),
    });
  }

  /** Any request; `path` with its query. Resolves whatever the status is. */
  async send(method: string, path: string, body?: unknown, options: SendOptions = {}): Promise<ApiAnswer> {
    const response = await this.#open(method, path, body, options, AbortSignal.timeout(DEADLINE_MS));
    const answer = await text(response);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: (answer.startsWith('{') ? JSON.parse(answer) : { text: answer }) as Json,
    };
  }

  /** The frames of a watch as they arrive. Leaving the loop ends the watch. */
  async *watch(path: string, options: SendOptions = {}): AsyncGenerator<{ type: string; object: Json }> {
    const response = await this.#open('GET', path, undefined, options, AbortSignal.timeout(2 * DEADLINE_MS));
    try {
      for await (const line of createInterface({ input: response })) yield JSON.parse(line);
    } finally {
      response.destroy();
    }
  }

  async get(path: string): Promise<Json> {
    return succeeded(`GET ${path}`, await this.send('GET', path));
  }

  async create(path: string, body: Json): Promise<Json> {
    return succeeded(`POST ${path}`, await this.send('POST', path, body));
  }

  async replace(path: string, body: Json): Promise<Json> {
    return succeeded(`PUT ${path}`, await this.send('PUT', path, body));
  }

  /** A JSON merge patch (RFC 7386). */
  async merge(path: string, patch: Json): Promise<Json> {
    return succeeded(`PATCH ${path}`, await this.send('PATCH', path, patch, mergePatch));
  }

  /** Not an error where it does not exist. */
  async delete(path: string, options?: Json): Promise<void> {
    const answer = await this.send('DELETE', path, options);
    if (answer.status !== 404) succeeded(`DELETE ${path}`, answer);
  }

  async #open(
    method: string,
    path: string,
    body: unknown,
    { contentType = 'application/json', accept = 'application/json' }: SendOptions,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
    const headers = {
      accept,
      // Node says no length by itself for a DELETE, whose body the server would take for another request.
      ...(body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(sent) }),
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
    };
    const request = httpsRequest(new URL(path, this.#server), { method, signal, headers, agent: this.#agent });
    request.once('error', reject);
    request.once('response', resolve);
    request.end(sent);
    return await promise;
  }

  close(): void {
    this.#agent.destroy();
  }
}

function succeeded(what: string, { status, body }: ApiAnswer): Json {
  if (status < 200 || status > 299) throw new Error(`${what} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}
