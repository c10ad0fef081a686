import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a page shows. Made from what is already known: a request never causes a call to the runtime. */
export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** The pages by path, such as `/metrics`. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

export interface PageServer {
  /** Where it listens; with port 0 asked for, the port it got. */
  readonly address: { readonly host: string; readonly port: number };
  /** Stops listening, lets responses under way finish, and cuts what is left after a second. */
  close(): Promise<void>;
}

// The readers are a scraper or two and the kubelet's probes. Whatever else reaches the port gets bounds instead of memory.
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 64;
const REQUEST_DEADLINE_MS = 5_000;
/** Longer than the usual scrape interval of a minute, so that a scraper keeps its connection. */
const KEEP_ALIVE_MS = 75_000;
const CLOSE_GRACE_MS = 1_000;

/**
 * Serves `pages` over HTTP. Rejects with the error of listen() (address in use, not permitted, not of this host).
 * A page that throws is answered with status 500 and told to `onError`.
 */
export async function servePages(
  listen: { host: string; port: number },
  pages: Pages,
  onError: (path: string, error: unknown) => void,
): Promise<PageServer> {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_DEADLINE_MS,
      requestTimeout: REQUEST_DEADLINE_MS,
      connectionsCheckingInterval: REQUEST_DEADLINE_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => void answer(request, response, pages, onError),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  // A reader that takes nothing of a response: its connection ends, others' go on.
  server.setTimeout(KEEP_ALIVE_MS + REQUEST_DEADLINE_MS);

  try {
    await listening(server, listen);
  } catch (error) {
    if (!hasNoIpv6(listen.host, error)) throw error;
    await listening(server, { ...listen, host: '0.0.0.0' });
  }
  const bound = server.address() as AddressInfo;
  return { address: { host: bound.address, port: bound.port }, close: () => closeServer(server) };
}

async function listening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  const listens = once(server, 'listening');
  server.listen({ host, port });
  await listens;
}

/** `::` stands for every address of both families; a kernel may be without the one. */
function hasNoIpv6(host: string, error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return host === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL');
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: Pages,
  onError: (path: string, error: unknown) => void,
): Promise<void> {
  const page = await pageFor(request, response, pages, onError);
  // No request here has a body worth reading; one that brings any is answered and its connection ended.
  if (request.method !== 'GET' && request.method !== 'HEAD') response.setHeader('connection', 'close');
  response.writeHead(page.status, {
    'content-type': page.contentType,
    'content-length': Buffer.byteLength(page.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}

async function pageFor(
  request: IncomingMessage,
  response: ServerResponse,
  pages: Pages,
  onError: (path: string, error: unknown) => void,
): Promise<Page> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const page = pages[path];
  if (page === undefined) return plainText(404, `not found; there are ${Object.keys(pages).join(', ')}`);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return plainText(405, 'only GET and HEAD');
  }
  try {
    return await page();
  } catch (error) {
    onError(path, error);
    return plainText(500, 'this page could not be made; the log says more');
  }
}

/** A page of one line of text. */
export function plainText(status: number, line: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` };
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
