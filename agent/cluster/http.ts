import type { ConnectionOptions } from 'node:tls';

import type { TlsMaterial } from './access.ts';

/** A request as HTTP knows it. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Of the response; undefined where it has none of that name. */
  header(name: string): string | undefined;
  /** Must be read to its end or destroyed. */
  readonly body: AsyncIterable<Uint8Array>;
  destroy(): void;
}

/** One way to the server, with one identity. */
export interface Line {
  /** New requests may go out on it. */
  readonly usable: boolean;
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  /** No new requests; closes when those in flight have ended. */
  retire(): void;
  destroy(): void;
}

/** What node:tls wants. An IP address is no server name (RFC 6066). */
export function tlsOptions(server: URL, tls: TlsMaterial): ConnectionOptions {
  const options: ConnectionOptions = {
    host: server.hostname.replace(/^\[|\]$/g, ''),
    port: Number(server.port) || 443,
    minVersion: 'TLSv1.2',
  };
  if (tls.ca !== undefined) options.ca = tls.ca;
  if (tls.cert !== undefined) options.cert = tls.cert;
  if (tls.key !== undefined) options.key = tls.key;
  if (tls.rejectUnauthorized !== undefined) options.rejectUnauthorized = tls.rejectUnauthorized;
  if (tls.servername !== undefined) options.servername = tls.servername;
  else if (/[a-z]/i.test(server.hostname) && !server.hostname.startsWith('[')) options.servername = server.hostname;
  return options;
}
