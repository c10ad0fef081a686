import type { Clock } from '../../../agent/clock.ts';
import { cancelledError, ClusterError, refusalError } from '../../../agent/cluster/errors.ts';
import type {
  CallOptions,
  KubernetesObject,
  KubernetesPort,
  Resource,
  Scope,
  WatchEvent,
} from '../../../agent/cluster/port.ts';
import type { EmulatedApiServer, Reply, Sent } from './apiserver.ts';
import { isObject, type Json, type JsonObject, listAt, textAt } from './objects.ts';
import type { ResourceRequest, Verb } from './requests.ts';
import { builtInResources, type Resource as Served } from './resources.ts';
import { StatusError } from './status.ts';

export interface DirectPortOptions {
  readonly server: EmulatedApiServer;
  /** What it may do is `server.access`. */
  readonly user: string;
  readonly clock: Clock;
}

interface Request {
  readonly verb: Verb;
  readonly resource: Resource;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
  readonly contentType?: string;
  readonly metadataOnly?: boolean | undefined;
}

const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const patchTypes = { merge: 'application/merge-patch+json', strategic: 'application/strategic-merge-patch+json' };
const noQuery = new URLSearchParams();
const never = new AbortController().signal;
const eventTypes = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const;

/**
 * An emulated API server as a port, without paths, texts and connections between: what a simulation of thousands of clusters can
 * afford. It answers at once, so deadlines have nothing to do; lists come whole. Objects are those of the store: not to be changed.
 */
export function directPort({ server, user, clock }: DirectPortOptions): KubernetesPort {
  const served = new Map<Resource, Served>();
  let isClosed = false;
  let isHeard = false;

  function servedAs(resource: Resource): Served {
    let found = served.get(resource);
    if (found === undefined) {
      const { plural, group } = resource;
      const builtIn = builtInResources.find((known) => known.plural === plural && known.group === group);
      // Custom resources come and go.
      found = builtIn ?? server.resource(plural, group);
      if (builtIn !== undefined) served.set(resource, builtIn);
    }
    return found;
  }

  async function ask(request: Request, { signal = never }: CallOptions = {}): Promise<Reply> {
    const { verb, resource, namespace, name, subresource = '', query, body, contentType } = request;
    const type = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
    const asked = { verb, what: name === undefined ? type : `${type} ${name}` };
    if (isClosed || signal.aborted) throw cancelledError(asked);
    const wanted: ResourceRequest = {
      verb,
      resource: servedAs(resource),
      namespace: resource.namespaced ? namespace : undefined,
      name,
      subresource,
      query: query === undefined ? noQuery : queryOf(query),
    };
    const sent: Sent = {
      body: () => (body === undefined ? undefined : plain(body)),
      signal,
      ...(contentType === undefined ? {} : { contentType }),
      ...(request.metadataOnly === true ? { accept: metadataOnly } : {}),
    };
    try {
      const reply = await server.ask(user, wanted, sent);
      isHeard = true;
      if (signal.aborted) throw cancelledError(asked);
      return reply;
    } catch (error) {
      if (error instanceof StatusError) {
        const { code: httpStatus, retryAfterSeconds } = error;
        const retryAfter = retryAfterSeconds === undefined ? undefined : String(retryAfterSeconds);
        throw refusalError({ httpStatus, retryAfter, status: error.toStatus() }, asked, clock.nowMs());
      }
      throw error instanceof ClusterError ? error : cut();
    }
  }

  async function object<T>(request: Request, options: CallOptions | undefined): Promise<T> {
    return (await ask(request, options)).body as T;
  }

  async function* watch<T extends KubernetesObject>(
    ...[resource, scope, { resourceVersion, timeoutSeconds }, options = {}]: Parameters<KubernetesPort['watch']>
  ): AsyncIterable<WatchEvent<T>> {
    const query = {
      ...selectors(scope),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
    };
    const over = new AbortController();
    const { signal = never } = options;
    const end = (): void => over.abort(ended);
    signal.addEventListener('abort', end, { once: true });
    try {
      const { body } = await ask({ verb: 'watch', resource, query, ...scope }, { signal: over.signal });
      yield { type: 'opened' };
      for await (const event of body as AsyncIterable<JsonObject>) yield watchEvent<T>(event, resource, clock);
    } catch (error) {
      throw error instanceof ClusterError ? error : cut();
    } finally {
      signal.removeEventListener('abort', end);
      over.abort(ended);
    }
    if (signal.aborted || isClosed) throw cancelledError({ verb: 'watch', what: resource.plural });
  }

  return {
    get: async (resource, target, options) => await object({ verb: 'get', resource, ...target }, options),
    list: async (resource, scope, project, options) => {
      const { body } = await ask({ verb: 'list', resource, query: selectors(scope), ...scope }, options);
      const found = body as JsonObject;
      const items = listAt(found, 'items').map((item) => project(item as never));
      return { items, resourceVersion: textAt(found, 'metadata.resourceVersion') };
    },
    watch,
    create: async (resource, namespace, body, options) => {
      const { group, version } = resource;
      const apiVersion = group === '' ? version : `${group}/${version}`;
      return await object({ verb: 'create', resource, namespace, body: { apiVersion, ...body } }, options);
    },
    patch: async (resource, target, { type, body, subresource }, options) =>
      await object({ verb: 'patch', resource, ...target, body, contentType: patchTypes[type], subresource }, options),
    replace: async (resource, body, { subresource, ...options } = {}) => {
      const { name, namespace } = body.metadata;
      return await object({ verb: 'update', resource, namespace, name, body, subresource }, options);
    },
    delete: async (resource, target, { preconditions, ...options } = {}) => {
      await ask({ verb: 'delete', resource, ...target, body: { preconditions } }, options);
    },
    evict: async (pod, { preconditions, gracePeriodSeconds, dryRun, ...options } = {}) => {
      const deleteOptions = { preconditions, gracePeriodSeconds, ...(dryRun === true ? { dryRun: ['All'] } : {}) };
      const body = { metadata: pod, deleteOptions };
      await ask({ verb: 'create', resource: podsResource, ...pod, subresource: 'eviction', body }, options);
    },
    lastHeardMs: () => (isHeard ? clock.monotonicMs() : undefined),
    close: () => {
      isClosed = true;
    },
  };
}

/** As reason of an abort, in the place of an error with a stack, which would be the dearest part of a request. */
const ended = 'ended';
const podsResource: Resource = { group: '', version: 'v1', plural: 'pods', namespaced: true };

function selectors({ labelSelector, fieldSelector }: Scope): Record<string, string | undefined> {
  return { labelSelector, fieldSelector };
}

function queryOf(values: Readonly<Record<string, string | undefined>>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) if (value !== undefined) query.set(key, value);
  return query;
}

/** As JSON would carry it: without what is undefined. */
function plain(value: unknown): Json {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value as Json;
  const copy: JsonObject = {};
  for (const [field, part] of Object.entries(value)) if (part !== undefined) copy[field] = plain(part);
  return copy;
}

function watchEvent<T extends KubernetesObject>(event: JsonObject, { plural }: Resource, clock: Clock): WatchEvent<T> {
  const { type, object } = event;
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') {
    return { type: eventTypes[type], object: object as unknown as T };
  }
  if (type === 'BOOKMARK') return { type: 'bookmark', resourceVersion: textAt(object, 'metadata.resourceVersion') };
  const httpStatus = isObject(object) && typeof object['code'] === 'number' ? object['code'] : 500;
  const refusal = { httpStatus, retryAfter: undefined, status: object };
  throw refusalError(refusal, { verb: 'watch', what: plural }, clock.nowMs());
}

function cut(): ClusterError {
  return new ClusterError('cluster/unavailable', 'the connection was cut');
}
