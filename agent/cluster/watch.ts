import type { Clock, Random } from '../clock.ts';
import { isNodetenderError, messageOf } from '../errors.ts';
import { type Backoff } from '../backoff.ts';
import { retryMs } from './backoff.ts';
import { ClusterError } from './errors.ts';
import type { KubernetesObject, KubernetesPort, Resource, Scope, WatchEvent } from './port.ts';
import { WatchGuard } from './watchguard.ts';

export interface WatchedOptions<T extends KubernetesObject, V> {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  readonly resource: Resource<T>;
  readonly scope: Scope;
  /** The small value kept of an object. Where it throws, what was known of the object stays in force. */
  readonly project: (object: T) => V;
  /**
   * A watch that has shown nothing for so long, not even a bookmark, may be stuck, and the scope is listed anew: at first so often, then
   * ever more seldom while that shows nothing new. Undefined: nothing may change for days, and nobody waits for it.
   */
  readonly quietLimitMs?: number | undefined;
  /** Called once for each change, in order; must not throw. */
  readonly onChange?: ((change: Change<V>) => void) | undefined;
  /** Called when the API server cannot be followed (why) and when it can again (undefined). */
  readonly onHealth?: ((problem: ClusterError | undefined) => void) | undefined;
  /** Called with the name of an object that `project` could not read, and why. */
  readonly onUnreadable?: ((problem: string) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export type Change<V> =
  | { readonly type: 'added'; readonly key: string; readonly value: V }
  | { readonly type: 'modified'; readonly key: string; readonly value: V; readonly before: V }
  | { readonly type: 'deleted'; readonly key: string; readonly before: V };

interface Known<V> {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly value: V;
}

/**
 * How long one watch lasts: with each of a handful of watches begun anew about once an hour, an idle agent stays below 12
 * requests an hour. The spread keeps a thousand agents that began together from coming back together.
 */
const watchSeconds = { least: 3_000, most: 3_600 };

const retryBackoff: Backoff = { firstMs: 1_000, longestMs: 60_000 };

/** A watch that ends sooner counts as failed, or a proxy that closes each at once would be asked without a pause. */
const healthyWatchMs = 10_000;

/** After so many failures to resume, the resourceVersion is under suspicion, as after etcd came back from a backup. */
const maxResumes = 5;

/**
 * The objects of one scope, kept current: a list, then watches that go on where the last one ended, and never an end
 * before its signal. Every change is told once, also those that happened while no watch stood.
 */
export class Watched<T extends KubernetesObject, V> {
  readonly #options: WatchedOptions<T, V>;
  readonly #known = new Map<string, Known<V>>();
  readonly #firstList = Promise.withResolvers<void>();
  /** Where the next watch begins; undefined before the first list and after a 410. */
  #resourceVersion: string | undefined;
  #synced = false;
  /** While a watch stands. */
  #openedAtMs: number | undefined;
  #freshAsOfMs: number | undefined;
  /** How many times `quietLimitMs` a watch may be quiet. */
  #quietTimes = 1;
  /** The list after a watch that was quiet: what it shows has been kept back. */
  #isDoubting = false;
  /** Ends the watch that stands, for a list. */
  #relisting = new AbortController();
  #changedAtMs = Number.NEGATIVE_INFINITY;
  #problem: string | undefined;

  constructor(options: WatchedOptions<T, V>) {
    this.#options = options;
  }

  /** Whether a whole list has ever been read. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Resolves with the first whole list. */
  async whenSynced(): Promise<void> {
    await this.#firstList.promise;
  }

  get(key: string): V | undefined {
    return this.#known.get(key)?.value;
  }

  values(): V[] {
    return Array.from(this.#known.values(), ({ value }) => value);
  }

  /**
   * Monotonic time until which nothing can have happened that is not known here; undefined before the first list. While a
   * watch stands, every sign of life on its connection moves it on.
   */
  freshAsOfMs(): number | undefined {
    if (this.#openedAtMs !== undefined) this.#stayFresh();
    return this.#freshAsOfMs;
  }

  /**
   * For a caller who has seen that a watch keeps something back: the scope is listed anew. A watch that went on where that one ended
   * would be told no more by what is stuck between.
   */
  relist(): void {
    this.#relisting.abort();
  }

  /** Follows the API server until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const { problem, healthy } = await this.#round(signal);
      if (signal.aborted) return;
      failures = healthy ? 0 : failures + 1;
      // Ended at its timeout, as agreed: the next begins at once.
      if (healthy && problem === undefined) continue;
      if (problem?.code === 'cluster/gone') {
        this.#resourceVersion = undefined;
        // The first 410 is what a long absence ends with, and no reason to wait; more of them in a row are.
        if (failures <= 1) continue;
      }
      if (failures > 0 && failures % maxResumes === 0) this.#resourceVersion = undefined;
      if (problem !== undefined) this.#report(problem);
      await clock.sleep(retryMs(retryBackoff, Math.max(1, failures), problem, random), signal);
    }
  }

  /** One list where it is needed and one watch, to its end. */
  async #round(signal: AbortSignal): Promise<{ problem: ClusterError | undefined; healthy: boolean }> {
    const { clock } = this.#options;
    let problem: ClusterError | undefined;
    this.#openedAtMs = undefined;
    try {
      if (this.#relisting.signal.aborted) this.#doubt();
      this.#relisting = new AbortController();
      this.#resourceVersion ??= await this.#list(signal);
      // What the list has shown may have been all that the caller waited for, or too old for him.
      if (!signal.aborted && !this.#relisting.signal.aborted) await this.#follow(this.#resourceVersion, signal);
    } catch (error) {
      problem = asClusterError(error);
    }
    const healthy = this.#openedAtMs !== undefined && clock.monotonicMs() - this.#openedAtMs >= healthyWatchMs;
    this.#openedAtMs = undefined;
    return { problem, healthy };
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { port, resource, scope, clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const seen = new Set<string>();
    // Projected as they arrive, compared when the whole list is there: a list that breaks off changes nothing.
    const listing = await port.list(
      resource,
      scope,
      (object) => ({ object: { metadata: essentials(object) }, value: this.#project(object) }),
      { signal },
    );
    for (const { object, value } of listing.items) {
      seen.add(keyOf(object));
      this.#put(object, value);
    }
    for (const key of this.#known.keys()) if (!seen.has(key)) this.#remove(key);
    this.#isDoubting = false;
    this.#freshAsOfMs = askedAtMs;
    this.#synced = true;
    this.#firstList.resolve();
    return listing.resourceVersion;
  }

  async #follow(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { port, resource, scope, random, clock } = this.#options;
    const { least, most } = watchSeconds;
    const timeoutSeconds = Math.round(least + (most - least) * random());
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    const guard = new WatchGuard(timeoutSeconds, clock, this.#quietLimit());
    const relisting = this.#relisting.signal;
    for (const each of [signal, guard.signal, relisting]) each.addEventListener('abort', abort, { once: true });
    try {
      const events = port.watch(resource, scope, { resourceVersion, timeoutSeconds }, { signal: stop.signal });
      for await (const event of events) {
        guard.heard(event.type);
        this.#apply(event);
      }
      this.#stayFresh();
    } catch (error) {
      if (signal.aborted || (guard.why === undefined && !relisting.aborted)) throw error;
      if (guard.why !== undefined && !guard.wasQuiet)
        throw new ClusterError('cluster/timeout', `watch ${resource.plural}: ${guard.why}`);
    } finally {
      guard.end();
      signal.removeEventListener('abort', abort);
    }
    if (guard.wasQuiet) this.#doubt();
  }

  /** For one watch. */
  #quietLimit(): () => number {
    const { quietLimitMs, random } = this.#options;
    if (quietLimitMs === undefined) return () => Number.POSITIVE_INFINITY;
    // A thousand watches that got stuck together must not come back together.
    const spread = 0.9 + 0.2 * random();
    return () => spread * quietLimitMs * this.#quietTimes;
  }

  /**
   * A list shows what a stuck watch has kept back, and where it shows nothing new the next doubt comes later: twice as late, until
   * a watch is over before.
   */
  #doubt(): void {
    this.#resourceVersion = undefined;
    this.#isDoubting = true;
    this.#quietTimes *= 2;
  }

  #apply(event: WatchEvent<T>): void {
    switch (event.type) {
      case 'opened':
        this.#openedAtMs = this.#options.clock.monotonicMs();
        this.#report(undefined);
        return;
      case 'bookmark':
        this.#resourceVersion = event.resourceVersion;
        break;
      case 'deleted':
        this.#resourceVersion = event.object.metadata.resourceVersion;
        this.#remove(keyOf(event.object));
        break;
      case 'added':
      case 'modified':
        this.#resourceVersion = event.object.metadata.resourceVersion;
        this.#put(event.object, this.#project(event.object));
        break;
      default:
    }
    this.#stayFresh();
  }

  /** Undefined, and reported, where the object is not as `project` expects. */
  #project(object: T): { readonly is: V } | undefined {
    try {
      return { is: this.#options.project(object) };
    } catch (error) {
      const { plural } = this.#options.resource;
      this.#options.onUnreadable?.(`${plural} ${keyOf(object)}: ${messageOf(error)}`);
      return undefined;
    }
  }

  #put(object: KubernetesObject, projected: { readonly is: V } | undefined): void {
    const key = keyOf(object);
    const { uid, resourceVersion } = object.metadata;
    let known = this.#known.get(key);
    if (known !== undefined && known.uid !== uid) {
      // Deleted and created again under the same name while we looked away.
      this.#remove(key);
      known = undefined;
    }
    if (projected === undefined || known?.resourceVersion === resourceVersion) return;
    const value = projected.is;
    this.#noteChange();
    this.#known.set(key, { uid, resourceVersion, value });
    this.#options.onChange?.(
      known === undefined ? { type: 'added', key, value } : { type: 'modified', key, value, before: known.value },
    );
  }

  #remove(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#noteChange();
    this.#known.delete(key);
    this.#options.onChange?.({ type: 'deleted', key, before: known.value });
  }

  /** Two so close to each other say that it is as often as it should be; one that was kept back, that the next may be, too. */
  #noteChange(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const isOften = nowMs - this.#changedAtMs < (this.#options.quietLimitMs ?? 0);
    if (isOften || this.#isDoubting) this.#quietTimes = 1;
    this.#changedAtMs = nowMs;
  }

  #stayFresh(): void {
    const heardMs = this.#options.port.lastHeardMs();
    if (heardMs !== undefined) this.#freshAsOfMs = Math.max(heardMs, this.#freshAsOfMs ?? heardMs);
  }

  #report(problem: ClusterError | undefined): void {
    if (this.#problem === problem?.code) return;
    this.#problem = problem?.code;
    this.#options.onHealth?.(problem);
  }
}

/** `namespace/name`, or the name alone for what lives in no namespace. */
function keyOf({ metadata: { namespace, name } }: KubernetesObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function essentials({ metadata }: KubernetesObject): KubernetesObject['metadata'] {
  const { name, namespace, uid, resourceVersion } = metadata;
  return { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) };
}

function asClusterError(error: unknown): ClusterError {
  if (error instanceof ClusterError) return error;
  const code = isNodetenderError(error) ? ` (${error.code})` : '';
  return new ClusterError('cluster/bad-response', `watching failed: ${messageOf(error)}${code}`, { cause: error });
}
