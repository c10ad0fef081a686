import type { ObjectMeta } from './objects.ts';

/**
 * What the agent needs of a Kubernetes API server. Objects are plain values as the server sent them; only their metadata
 * is checked. Every call has a deadline, is retried where that is safe, and rejects with a ClusterError, whose code
 * begins `cluster/`.
 */
export interface KubernetesPort {
  get<T extends KubernetesObject>(resource: Resource<T>, target: ObjectName, options?: CallOptions): Promise<T>;
  /**
   * Every object in scope, of one moment. `project` makes a small value of each as it arrives, so that whole objects
   * are never kept together.
   */
  list<T extends KubernetesObject, V>(
    resource: Resource<T>,
    scope: Scope,
    project: (object: T) => V,
    options?: CallOptions,
  ): Promise<Listing<V>>;
  /**
   * What changes after `from.resourceVersion`, in order, beginning with `opened`. Ends when the server ends it, after
   * `from.timeoutSeconds`; throws `cluster/gone` when that resourceVersion is too old and `cluster/unavailable` when it
   * is cut. A dead connection is found within a minute (HTTP/2) or ten (HTTP/1.1).
   */
  watch<T extends KubernetesObject>(
    resource: Resource<T>,
    scope: Scope,
    from: WatchStart,
    options?: CallOptions,
  ): AsyncIterable<WatchEvent<T>>;
  /** Throws `cluster/already-exists`. */
  create<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    object: object,
    options?: CallOptions,
  ): Promise<T>;
  /** With `metadata.resourceVersion` in `body` it throws `cluster/conflict` when the object has changed since. */
  patch<T extends KubernetesObject>(
    resource: Resource<T>,
    target: ObjectName,
    patch: Patch,
    options?: CallOptions,
  ): Promise<T>;
  /** Writes the whole object. Throws `cluster/conflict` when it has changed since `object.metadata.resourceVersion`. */
  replace<T extends KubernetesObject>(
    resource: Resource<T>,
    object: T,
    options?: CallOptions & { readonly subresource?: 'status' },
  ): Promise<T>;
  /** Throws `cluster/conflict` when a precondition does not hold, `cluster/not-found` when there is nothing. */
  delete(resource: Resource, target: ObjectName, options?: CallOptions & DeleteOptions): Promise<void>;
  /**
   * Asks for a pod's eviction; done when the server has accepted it, not when the pod is gone. Throws
   * `cluster/disruption-budget`, with `retryAfterMs` where the server says it, while a budget forbids it,
   * `cluster/several-budgets` where more than one counts the pod, which nothing but a change of theirs ends, and
   * `cluster/namespace-terminating` where the pod's deletion with its namespace is under way.
   */
  evict(pod: ObjectName, options?: CallOptions & EvictOptions): Promise<void>;
  /** Monotonic time of the last sign of life of the API server; undefined before the first. */
  lastHeardMs(): number | undefined;
  /** Ends every connection. Calls in flight and later ones are rejected with `cluster/cancelled`. */
  close(): void;
}

export interface KubernetesObject {
  readonly metadata: ObjectMeta;
}

/** A kind of object and where it lives in the API. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Never set: it carries the type of the objects. */
  readonly shape?: T;
}

export interface ObjectName {
  /** Undefined for objects that live in no namespace. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** Which objects of a resource. */
export interface Scope {
  /** All namespaces where left out. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Objects then arrive as nothing but their metadata, a tenth of the bytes. */
  readonly metadataOnly?: boolean | undefined;
  /**
   * Objects per request of a list. Left out, the whole list is one request, which API servers answer from memory, and
   * pages are used only when that is too large.
   */
  readonly pageSize?: number | undefined;
}

export interface Listing<V> {
  readonly items: readonly V[];
  /** A watch from here sees everything that happens after this list. */
  readonly resourceVersion: string;
}

export interface WatchStart {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
}

export type WatchEvent<T> =
  /** The server has accepted the watch. */
  | { readonly type: 'opened' }
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T }
  /** Everything up to here has been sent. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string };

export interface Patch {
  /** `strategic` merges lists such as conditions by their key; custom resources know only `merge`. */
  readonly type: 'merge' | 'strategic';
  readonly body: object;
  readonly subresource?: 'status' | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** For the whole call with its retries; default 30 s. Of a watch, for its opening. */
  readonly deadlineMs?: number | undefined;
}

/** What an object must still be for a deletion or eviction to go on. */
export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface DeleteOptions {
  readonly preconditions?: Preconditions | undefined;
}

export interface EvictOptions {
  readonly preconditions?: Preconditions | undefined;
  /** The pod's own where left out. */
  readonly gracePeriodSeconds?: number | undefined;
  /** Only ask whether it would be accepted now: nothing is deleted, and no budget is spent. */
  readonly dryRun?: boolean | undefined;
}
