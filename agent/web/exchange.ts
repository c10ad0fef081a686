import * as plain from 'node:http';
import type { IncomingMessage } from 'node:http';
import * as tls from 'node:https';
import type { Clock } from '../clock.ts';
import { withinDeadline } from '../deadline.ts';
import { messageOf, NodetenderError } from '../errors.ts';

/** A request to a server that is neither the API server nor the runtime: Prometheus, a webhook. */
export interface WebRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface WebAnswer {
  readonly status: number;
  /** The header Retry-After as it came. */
  readonly retryAfter: string | undefined;
  readonly body: string;
}

export interface WebLimits {
  readonly deadlineMs: number;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Sends one request and reads its answer, whatever the status, by the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY of `env` name.
 * Redirects are not followed, nothing is tried again, and the connection is not kept: days lie between two requests. Throws
 * NodetenderError `web/…`; as a URL may be a secret, messages name its host alone.
 */
export async function exchange(request: WebRequest, limits: WebLimits, env = process.env): Promise<WebAnswer> {
  const { deadlineMs, clock, signal } = limits;
  const host = request.url.host;
  return await withinDeadline(
    { clock, ms: deadlineMs, signal },
    async (stop) => readAnswer(await send(request, { deadlineMs, env, signal: stop }), host, limits.maxBytes),
    (why) =>
      why === 'cancelled'
        ? new NodetenderError('web/cancelled', `the request to ${host} was given up`)
        : new NodetenderError('web/deadline', `no answer from ${host} within ${deadlineMs / 1000} s`),
  );
}

interface Sending {
  readonly deadlineMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

async function send(
  { method, url, headers, body }: WebRequest,
  { deadlineMs, env, signal }: Sending,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { request: start } = url.protocol === 'http:' ? plain : tls;
  // One text is one segment of known length: not every receiver of webhooks reads chunks.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const request = start(url, {
    method,
    headers: { ...headers, ...length },
    agent: connectionFor(url, env),
    signal,
    // The signal does not end a connection to a proxy that never answers CONNECT; this does.
    timeout: deadlineMs,
  });
  request.once('response', resolve);
  // On, not once: it may be told again after the answer has begun.
  request.on('error', (error) => reject(unreachable(url.host, error)));
  request.end(body);
  return await promise;
}

/** That of Node itself names the proxy in its error, password and all. */
function connectionFor({ protocol, host }: URL, proxyEnv: NodeJS.ProcessEnv): plain.Agent {
  try {
    return protocol === 'http:' ? new plain.Agent({ proxyEnv }) : new tls.Agent({ proxyEnv });
  } catch {
    throw new NodetenderError(
      'web/unreachable',
      `${host} cannot be reached: expected URLs of proxies in HTTP_PROXY and HTTPS_PROXY, such as http://proxy.example:3128`,
    );
  }
}

async function readAnswer(response: IncomingMessage, host: string, maxBytes: number): Promise<WebAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      length += (chunk as Buffer).length;
      // Leaving the loop destroys the response.
      if (length > maxBytes) break;
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw unreachable(host, error);
  }
  if (length > maxBytes) {
    throw new NodetenderError('web/too-large', `${host} answered with more than ${maxBytes} bytes`);
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers['retry-after'],
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function unreachable(host: string, cause: unknown): NodetenderError {
  return new NodetenderError('web/unreachable', `${host} cannot be reached: ${messageOf(cause)}`, { cause });
}
