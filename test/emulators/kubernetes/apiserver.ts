import { type Clock, systemClock } from '../../../agent/clock.ts';
import { Access, type User } from './access.ts';
import { CustomResources } from './crds.ts';
import { discover } from './discovery.ts';
import { runDisruptionController } from './disruption.ts';
import { evict } from './eviction.ts';
import { type Fault, Faults } from './faults.ts';
import { runGarbageCollector } from './garbage.ts';
import { Lists, refuseFuture } from './lists.ts';
import { isObject, type Json, type JsonObject, type StoredObject, textAt } from './objects.ts';
import { decodeProtobuf } from './protobuf.ts';
import { type Representation, representationOf } from './representation.ts';
import { type ApiRequest, isTrue, readResourceRequest, type ResourceRequest } from './requests.ts';
import { builtInResources, type Resource } from './resources.ts';
import { fieldTest, labelTest, type Test } from './selectors.ts';
import { badRequest, noSuchPath, StatusError } from './status.ts';
import { ObjectStore } from './store.ts';
import { ConnectionCut, Watch } from './watch.ts';
import { type Target, Writes } from './writes.ts';

/** An answer as the transport hands it back: a whole text, or the frames of a watch. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | AsyncIterable<string>;
}

/** What comes with a request for objects, whatever carried it. */
export interface Sent {
  readonly accept?: string;
  readonly contentType?: string;
  /** Undefined where there is none. */
  readonly body: () => Json | undefined;
  readonly signal: AbortSignal;
}

/** An answer before it is text: one object, or those of a watch, each with its type. */
export interface Reply {
  readonly status: number;
  readonly body: JsonObject | AsyncIterable<JsonObject>;
}

export interface EmulatedApiServerOptions {
  readonly clock?: Clock;
  /** Default 60 s, as the real one. */
  readonly bookmarkEveryMs?: number;
  /** Budgets' status follows their pods, and what has lost its owner goes. Off: as without a controller manager. */
  readonly controllers?: boolean;
}

/** Larger bodies are refused, as by the real one. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Of watches that do not say how long. */
const DEFAULT_WATCH_MS = 30 * 60_000;

/**
 * The behaviour of kube-apiserver that the agent depends on, over objects in memory and without a transport: server.ts puts
 * it behind TLS, a simulation calls `handle` itself. What it does is shown by test/contract/kubernetes.contract.ts, which
 * the real one passes too.
 */
export class EmulatedApiServer {
  readonly store = new ObjectStore();
  readonly access = new Access();
  readonly faults = new Faults();
  readonly #clock: Clock;
  readonly #bookmarkEveryMs: number;
  readonly #crds = new CustomResources(this.store);
  readonly #writes: Writes;
  readonly #lists = new Lists();
  readonly #watches = new Map<Watch, ResourceRequest>();

  constructor(options: EmulatedApiServerOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#bookmarkEveryMs = options.bookmarkEveryMs ?? 60_000;
    this.#writes = new Writes(this.store, this.#crds, this.#clock);
    const namespaces = this.resource('namespaces');
    for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
      this.#writes.create(namespaces, '', { metadata: { name } });
    }
    if (options.controllers === true) {
      runDisruptionController(this.store, this.#evictionResources());
      runGarbageCollector(this.store);
    }
  }

  /** By its plural name, for tests that reach into the store. */
  resource(plural: string, group = ''): Resource {
    const found = this.#resources().find((known) => known.plural === plural && known.group === group);
    if (found === undefined) throw new Error(`there is no resource ${plural} in the group "${group}"`);
    return found;
  }

  /** Watches under way. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /** Cuts, ends, silences or expires the watches of a resource, or all of them. */
  disturbWatches(how: 'cut' | 'end' | 'silence' | 'expire', plural?: string): void {
    for (const [watch, { resource }] of this.#watches) {
      if (plural === undefined || resource.plural === plural) watch[how]();
    }
  }

  /** Every version and continue token given out so far is too old from now on. */
  forgetHistory(): void {
    this.store.forgetHistory();
    this.#lists.forget();
  }

  /** Rejects with ConnectionCut where the client is to see its connection go away. */
  async handle(request: ApiRequest): Promise<ApiResponse> {
    try {
      return await this.#answer(request);
    } catch (error) {
      if (error instanceof StatusError) return refusal(error);
      throw error;
    }
  }

  async #answer(request: ApiRequest): Promise<ApiResponse> {
    const url = new URL(request.url, 'http://emulated');
    const isHealth = ['/livez', '/readyz', '/healthz', '/version'].includes(url.pathname);
    // Health and version are for everybody.
    const user = isHealth ? undefined : this.access.authenticate(request);
    const discovered = request.method === 'GET' ? discover(url.pathname, this.#resources()) : undefined;
    if (discovered !== undefined) return answered(200, discovered);
    const wanted = readResourceRequest(request.method, url, this.#resources());
    if (wanted === undefined || user === undefined) throw noSuchPath();
    const fault = this.#arrived(user, wanted, request);
    if (fault !== undefined) await this.#strike(fault, request.signal);
    if (fault?.reply !== undefined) {
      const { status, contentType, body } = fault.reply;
      return { status, headers: { 'content-type': contentType }, body };
    }
    const { accept = '', 'content-type': contentType = '' } = request.headers;
    const body = (): Json | undefined => (request.body.length === 0 ? undefined : bodyOf(request));
    const reply = this.#serve(user, wanted, { accept, contentType, body, signal: request.signal });
    if (fault?.cut === 'after') throw new ConnectionCut();
    return encoded(reply);
  }

  /** A request that needs no transport, of somebody who is known by name. Rejects with StatusError and ConnectionCut. */
  async ask(name: string, wanted: ResourceRequest, sent: Sent): Promise<Reply> {
    const user = this.access.named(name);
    const fault = this.#arrived(user, wanted, { url: '' });
    if (fault?.reply !== undefined) throw new Error('a reply as text needs a transport');
    if (fault !== undefined) await this.#strike(fault, sent.signal);
    const reply = this.#serve(user, wanted, sent);
    if (fault?.cut === 'after') throw new ConnectionCut();
    return reply;
  }

  #arrived(user: User, wanted: ResourceRequest, request: Pick<ApiRequest, 'url'>): Fault | undefined {
    return this.faults.take({
      user: user.name,
      verb: wanted.verb,
      group: wanted.resource.group,
      resource: wanted.resource.plural,
      subresource: wanted.subresource,
      namespace: wanted.namespace,
      name: wanted.name,
      url: request.url,
      atMs: this.#clock.nowMs(),
    });
  }

  async #strike(fault: Fault, signal: AbortSignal): Promise<void> {
    if (fault.latencyMs !== undefined) await this.#clock.sleep(fault.latencyMs, signal);
    if (fault.hang === true) {
      await this.#clock.sleep(DEFAULT_WATCH_MS, signal);
      throw new ConnectionCut();
    }
    if (fault.cut === 'before') throw new ConnectionCut();
    if (fault.refuse !== undefined) {
      const { status, reason = reasons[status] ?? '', retryAfterSeconds } = fault.refuse;
      const options = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
      throw new StatusError(status, reason, `refused on request: ${status}`, options);
    }
  }

  #serve(user: User, wanted: ResourceRequest, sent: Sent): Reply {
    this.access.authorize(user, wanted);
    const { verb, resource, query } = wanted;
    const representation = representationOf(resource, sent.accept ?? '', this.#clock.nowMs());
    const found = (object: StoredObject): Reply => ({ status: 200, body: representation.object(object) });
    switch (verb) {
      case 'list': {
        const objects = (): StoredObject[] => this.store.list(resource).filter(scopeTest(wanted));
        return { status: 200, body: this.#lists.answer(query, this.store.revision, representation, objects) };
      }
      case 'watch':
        return { status: 200, body: this.#watch(wanted, representation, sent.signal) };
      case 'get':
        return found(this.#writes.get(targetOf(wanted)));
      case 'create':
        return this.#create(wanted, representation, bodySent(sent));
      case 'update':
        return found(this.#writes.replace(targetOf(wanted), bodySent(sent), isDryRun(query)));
      case 'patch':
        return found(this.#writes.patch(targetOf(wanted), sent.contentType ?? '', bodySent(sent), isDryRun(query)));
      case 'delete':
        return this.#delete(wanted, representation, sent);
      case 'deletecollection': {
        const doomed = this.store.list(resource).filter(scopeTest(wanted));
        for (const object of doomed) this.#writes.delete(targetOf(wanted, object), {});
        return {
          status: 200,
          body: representation.list(doomed, { resourceVersion: String(this.store.revision) }),
        };
      }
    }
  }

  #watch(wanted: ResourceRequest, representation: Representation, signal: AbortSignal): AsyncIterable<JsonObject> {
    const { query, resource } = wanted;
    const version = query.get('resourceVersion') ?? '';
    refuseFuture(query, this.store.revision);
    const timeoutSeconds = Number(query.get('timeoutSeconds') ?? 0);
    const watch = new Watch({
      store: this.store,
      storedAs: resource.storedAs,
      clock: this.#clock,
      matches: scopeTest(wanted),
      representation,
      from: version === '' || version === '0' ? undefined : Number(version),
      bookmarkEveryMs: isTrue(query.get('allowWatchBookmarks')) ? this.#bookmarkEveryMs : undefined,
      timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : DEFAULT_WATCH_MS,
      signal,
    });
    return this.#eventsOf(watch, wanted);
  }

  async *#eventsOf(watch: Watch, wanted: ResourceRequest): AsyncGenerator<JsonObject> {
    this.#watches.set(watch, wanted);
    try {
      yield* watch.events();
    } finally {
      this.#watches.delete(watch);
    }
  }

  #create(wanted: ResourceRequest, representation: Representation, body: Json): Reply {
    const { resource, namespace = '', name, subresource } = wanted;
    if (subresource === 'eviction' && resource.plural === 'pods' && name !== undefined) {
      if (!isObject(body)) throw badRequest('not an Eviction object');
      evict(this.store, this.#writes, this.#clock, this.#evictionResources(), { namespace, name }, body);
      return { status: 201, body: success() };
    }
    if (name !== undefined) throw noSuchPath();
    const created = this.#writes.create(resource, namespace, body, isDryRun(wanted.query));
    return { status: 201, body: representation.object(created) };
  }

  #delete(wanted: ResourceRequest, representation: Representation, sent: Sent): Reply {
    const { resource, query } = wanted;
    const body = sent.body();
    const grace = query.get('gracePeriodSeconds');
    const options: JsonObject = {
      ...(isObject(body) ? body : {}),
      ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    };
    const { object, gone } = this.#writes.delete(targetOf(wanted), options);
    if (!gone || resource.kind === 'Pod') return { status: 200, body: representation.object(object) };
    const { name, uid } = object.metadata;
    return { status: 200, body: success({ name, group: resource.group, kind: resource.plural, uid }) };
  }

  #resources(): readonly Resource[] {
    return [...builtInResources, ...this.#crds.resources];
  }

  #evictionResources(): { readonly pods: Resource; readonly budgets: Resource } {
    return { pods: this.resource('pods'), budgets: this.resource('poddisruptionbudgets', 'policy') };
  }
}

const reasons: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function scopeTest({ resource, namespace, query }: ResourceRequest): Test {
  const byLabels = labelTest(query.get('labelSelector') ?? '');
  const byFields = fieldTest(query.get('fieldSelector') ?? '', resource.selectableFields);
  return (object) =>
    (namespace === undefined || textAt(object, 'metadata.namespace') === namespace) &&
    byLabels(object) &&
    byFields(object);
}

/** A namespace's own path names it as `name`, never as `namespace`. */
function targetOf({ resource, namespace, name, subresource }: ResourceRequest, object?: StoredObject): Target {
  return {
    resource,
    namespace: object === undefined ? (namespace ?? '') : textAt(object, 'metadata.namespace'),
    name: object?.metadata.name ?? name ?? '',
    subresource,
  };
}

function bodySent({ body }: Sent): Json {
  const sent = body();
  if (sent === undefined) throw badRequest('the request has no body');
  return sent;
}

function bodyOf(request: ApiRequest): Json {
  if (typeof request.body !== 'string') return decodeProtobuf(request.body);
  if (Buffer.byteLength(request.body) > MAX_BODY_BYTES) {
    throw new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY_BYTES}`);
  }
  try {
    return JSON.parse(request.body) as Json;
  } catch {
    throw badRequest('the body of the request is not JSON');
  }
}

function isDryRun(query: URLSearchParams): boolean {
  return query.get('dryRun') === 'All';
}

function success(details?: JsonObject): JsonObject {
  const status: JsonObject = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  return details === undefined ? status : { ...status, details };
}

function answered(status: number, body: JsonObject | string): ApiResponse {
  if (typeof body === 'string') return { status, headers: { 'content-type': 'text/plain' }, body };
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function encoded({ status, body }: Reply): ApiResponse {
  if (!isStream(body)) return answered(status, body);
  return { status, headers: { 'content-type': 'application/json' }, body: framesOf(body) };
}

function isStream(body: Reply['body']): body is AsyncIterable<JsonObject> {
  return Symbol.asyncIterator in body;
}

/** One line of JSON each. */
async function* framesOf(events: AsyncIterable<JsonObject>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}

function refusal(error: StatusError): ApiResponse {
  const { status, headers, body } = answered(error.code, error.toStatus());
  const { retryAfterSeconds } = error;
  return {
    status,
    headers: { ...headers, ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }) },
    body,
  };
}
