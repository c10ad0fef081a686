import type { Clock, Random } from '../clock.ts';
import { ApiConnection, type Question } from './connection.ts';
import { type Asked, ClusterError, refusalError } from './errors.ts';
import type {
  CallOptions,
  DeleteOptions,
  EvictOptions,
  KubernetesObject,
  KubernetesPort,
  Listing,
  ObjectName,
  Patch,
  Preconditions,
  Resource,
  Scope,
  WatchEvent,
  WatchStart,
} from './port.ts';
import { apiPath } from './paths.ts';
import { pods } from './objects.ts';
import type { Rate } from './tokenbucket.ts';
import type { Transport } from './transport.ts';

export interface KubernetesClientOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** `nodetender/1.2.3`. */
  readonly userAgent: string;
  readonly rate?: Rate | undefined;
  readonly maxResponseBytes?: number | undefined;
}

/** Only metadata, as the API server itself cuts it (https://kubernetes.io/docs/reference/using-api/api-concepts/). */
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const metadataOnlyList = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

const patchTypes = { merge: 'application/merge-patch+json', strategic: 'application/strategic-merge-patch+json' };

/** When a list's moment has expired between two pages for the second time, it is asked for whole. */
const maxExpired = 2;

/** The first page size to try where a whole list is too large, and by how much it shrinks. */
const firstPageSize = 200;
const pageShrink = 4;

/** The verbs of the Kubernetes API over one connection. */
export class KubernetesClient implements KubernetesPort {
  readonly #transport: Transport;
  readonly #connection: ApiConnection;
  readonly #clock: Clock;

  constructor(options: KubernetesClientOptions) {
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#connection = new ApiConnection(options);
  }

  async get<T extends KubernetesObject>(
    resource: Resource<T>,
    target: ObjectName,
    options: CallOptions = {},
  ): Promise<T> {
    const asked = { verb: 'get', what: describeOne(resource, target) };
    const question: Question = { asked, method: 'GET', path: apiPath(resource, target), ...options };
    return checkedObject(await this.#connection.ask(question), asked) as T;
  }

  async list<T extends KubernetesObject, V>(
    resource: Resource<T>,
    scope: Scope,
    project: (object: T) => V,
    options: CallOptions = {},
  ): Promise<Listing<V>> {
    let { pageSize } = scope;
    let expired = 0;
    for (;;) {
      try {
        return await this.#listOnce(resource, scope, pageSize, project, options);
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error;
        if (error.code === 'cluster/too-large' && pageSize !== 1) {
          pageSize = pageSize === undefined ? firstPageSize : Math.max(1, Math.floor(pageSize / pageShrink));
        } else if (error.code === 'cluster/gone' && expired < maxExpired) {
          expired += 1;
          if (expired === maxExpired) pageSize = undefined;
        } else throw error;
      }
    }
  }

  async *watch<T extends KubernetesObject>(
    resource: Resource<T>,
    scope: Scope,
    from: WatchStart,
    options: CallOptions = {},
  ): AsyncIterable<WatchEvent<T>> {
    const asked = { verb: 'watch', what: describeMany(resource, scope) };
    const path = apiPath(resource, scope, {
      ...selectors(scope),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from.resourceVersion,
      timeoutSeconds: String(from.timeoutSeconds),
    });
    const accept = scope.metadataOnly === true ? metadataOnly : undefined;
    let opened = false;
    for await (const frame of this.#connection.follow({ asked, method: 'GET', path, accept, ...options })) {
      if (opened) yield this.#event<T>(frame, asked);
      else yield { type: 'opened' };
      opened = true;
    }
  }

  async create<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    object: object,
    options: CallOptions = {},
  ): Promise<T> {
    const asked = { verb: 'create', what: describeMany(resource, { namespace }) };
    const path = apiPath(resource, { namespace });
    const body = { ...typeOf(resource), ...object };
    const answer = await this.#connection.ask({ asked, method: 'POST', path, body, ...options });
    return checkedObject(answer, asked) as T;
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    target: ObjectName,
    { type, body, subresource }: Patch,
    options: CallOptions = {},
  ): Promise<T> {
    const asked = { verb: 'patch', what: describeOne(resource, target, subresource) };
    const path = apiPath(resource, { ...target, subresource });
    const contentType = patchTypes[type];
    const answer = await this.#connection.ask({ asked, method: 'PATCH', path, contentType, body, ...options });
    return checkedObject(answer, asked) as T;
  }

  async replace<T extends KubernetesObject>(
    resource: Resource<T>,
    object: T,
    { subresource, ...options }: CallOptions & { readonly subresource?: 'status' } = {},
  ): Promise<T> {
    const { name, namespace } = object.metadata;
    const asked = { verb: 'update', what: describeOne(resource, { name, namespace }, subresource) };
    const path = apiPath(resource, { name, namespace, subresource });
    const answer = await this.#connection.ask({ asked, method: 'PUT', path, body: object, ...options });
    return checkedObject(answer, asked) as T;
  }

  async delete(
    resource: Resource,
    target: ObjectName,
    { preconditions, ...options }: CallOptions & DeleteOptions = {},
  ): Promise<void> {
    const asked = { verb: 'delete', what: describeOne(resource, target) };
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...preconditionsOf(preconditions) };
    await this.#connection.ask({ asked, method: 'DELETE', path: apiPath(resource, target), body, ...options });
  }

  async evict(
    pod: ObjectName,
    { preconditions, gracePeriodSeconds, dryRun, ...options }: CallOptions & EvictOptions = {},
  ): Promise<void> {
    const asked = { verb: 'create', what: describeOne(pods, pod, 'eviction') };
    const body = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: pod.name, namespace: pod.namespace },
      deleteOptions: {
        ...preconditionsOf(preconditions),
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
        ...(dryRun === true ? { dryRun: ['All'] } : {}),
      },
    };
    const path = apiPath(pods, { ...pod, subresource: 'eviction' });
    await this.#connection.ask({ asked, method: 'POST', path, body, ...options });
  }

  lastHeardMs(): number | undefined {
    return this.#transport.lastHeardMs();
  }

  close(): void {
    this.#connection.close();
  }

  async #listOnce<T extends KubernetesObject, V>(
    resource: Resource<T>,
    scope: Scope,
    pageSize: number | undefined,
    project: (object: T) => V,
    options: CallOptions,
  ): Promise<Listing<V>> {
    const asked = { verb: 'list', what: describeMany(resource, scope) };
    const accept = scope.metadataOnly === true ? metadataOnlyList : undefined;
    const items: V[] = [];
    let next: string | undefined;
    for (;;) {
      const limit = pageSize === undefined ? undefined : String(pageSize);
      const path = apiPath(resource, scope, { ...selectors(scope), limit, continue: next });
      const answer = await this.#connection.ask({ asked, method: 'GET', path, accept, ...options });
      const page = checkedPage(answer, asked);
      for (const item of page.items) items.push(project(checkedObject(item, asked) as T));
      if (page.next === undefined) return { items, resourceVersion: page.resourceVersion };
      if (page.next === next) throw badResponse(asked, 'a next page', 'the same page again');
      next = page.next;
    }
  }

  #event<T extends KubernetesObject>(frame: unknown, asked: Asked): WatchEvent<T> {
    const { type, object } = record(frame);
    switch (type) {
      case 'ADDED':
        return { type: 'added', object: checkedObject(object, asked) as T };
      case 'MODIFIED':
        return { type: 'modified', object: checkedObject(object, asked) as T };
      case 'DELETED':
        return { type: 'deleted', object: checkedObject(object, asked) as T };
      case 'BOOKMARK': {
        const { resourceVersion } = record(record(object)['metadata']);
        if (typeof resourceVersion === 'string' && resourceVersion !== '') return { type: 'bookmark', resourceVersion };
        throw badResponse(asked, 'a bookmark with metadata.resourceVersion', 'none');
      }
      case 'ERROR': {
        const { code } = record(object);
        const httpStatus = typeof code === 'number' ? code : 500;
        throw refusalError({ httpStatus, retryAfter: undefined, status: object }, asked, this.#clock.nowMs());
      }
      default:
        throw badResponse(asked, 'an event of type ADDED, MODIFIED, DELETED, BOOKMARK or ERROR', JSON.stringify(type));
    }
  }
}

function selectors({ fieldSelector, labelSelector }: Scope): Record<string, string | undefined> {
  return { fieldSelector, labelSelector };
}

function preconditionsOf(preconditions: Preconditions | undefined): object {
  return preconditions === undefined ? {} : { preconditions };
}

/** apiVersion, which a created object must carry; the server knows the kind from the path. */
function typeOf({ group, version }: Resource): { apiVersion: string } {
  return { apiVersion: group === '' ? version : `${group}/${version}` };
}

function describeOne({ plural }: Resource, { namespace, name }: ObjectName, subresource?: string): string {
  const type = subresource === undefined ? plural : `${plural}/${subresource}`;
  return `${type} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

function describeMany({ plural, namespaced }: Resource, { namespace }: Scope): string {
  if (!namespaced) return plural;
  return namespace === undefined ? `${plural} in all namespaces` : `${plural} in ${namespace}`;
}

function checkedPage(
  answer: unknown,
  asked: Asked,
): { items: readonly unknown[]; resourceVersion: string; next: string | undefined } {
  const { items, metadata } = record(answer);
  const { resourceVersion, continue: next } = record(metadata);
  // Go writes an empty list as null where nobody took care.
  const list = items === null ? [] : items;
  if (!Array.isArray(list)) throw badResponse(asked, 'a list with items', JSON.stringify(record(answer)['kind']));
  if (typeof resourceVersion !== 'string') throw badResponse(asked, 'a list with metadata.resourceVersion', 'none');
  return { items: list, resourceVersion, next: typeof next === 'string' && next !== '' ? next : undefined };
}

function checkedObject(value: unknown, asked: Asked): KubernetesObject {
  const { name, resourceVersion } = record(record(value)['metadata']);
  if (typeof name !== 'string' || typeof resourceVersion !== 'string') {
    throw badResponse(asked, 'an object with metadata.name and metadata.resourceVersion', typeof value);
  }
  return value as KubernetesObject;
}

function badResponse({ verb, what }: Asked, expected: string, found: string): ClusterError {
  return new ClusterError('cluster/bad-response', `${verb} ${what}: expected ${expected}, found ${found}`);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
