import { apiVersionOf, type Resource } from './resources.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A request as the transport hands it over. */
export interface ApiRequest {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** JSON as text, or protobuf. */
  readonly body: string | Buffer;
  /** From the client's certificate, where it showed one. */
  readonly certificate?: { readonly commonName: string; readonly organizations: readonly string[] };
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

/** A request for objects, understood. */
export interface ResourceRequest {
  readonly verb: Verb;
  readonly resource: Resource;
  /** Undefined for all namespaces, and for resources that live in none. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** '' for the object itself. */
  readonly subresource: string;
  readonly query: URLSearchParams;
}

/** What a path under /api or /apis asks for; undefined where it leads nowhere. */
export function readResourceRequest(
  method: string,
  url: URL,
  resources: readonly Resource[],
): ResourceRequest | undefined {
  const parts = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  const rest = parts[0] === 'api' ? parts.slice(2) : parts.slice(3);
  const groupVersion = parts[0] === 'api' ? parts[1] : parts.slice(1, 3).join('/');
  // `namespaces/a/pods` is pods in a; `namespaces/a` and `namespaces/a/status` are the namespace itself.
  const within = rest[0] === 'namespaces' && rest.length >= 3 && rest[2] !== 'status' && rest[2] !== 'finalize';
  const [plural, name, subresource = '', ...more] = within ? rest.slice(2) : rest;
  const resource = resources.find((known) => known.plural === plural && apiVersionOf(known) === groupVersion);
  if (resource === undefined || more.length > 0 || (within && !resource.namespaced)) return undefined;
  const namespace = within ? rest[1] : undefined;
  if (resource.namespaced && namespace === undefined && (name !== undefined || method === 'POST')) return undefined;
  const verb = verbOf(method, name, url.searchParams);
  if (verb === undefined) return undefined;
  return { verb, resource, namespace, name, subresource, query: url.searchParams };
}

function verbOf(method: string, name: string | undefined, query: URLSearchParams): Verb | undefined {
  switch (method) {
    case 'GET':
      if (name !== undefined) return 'get';
      return isTrue(query.get('watch')) ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete';
    default:
      return undefined;
  }
}

export function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}
