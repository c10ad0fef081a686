import { ClusterError } from '../../../agent/cluster/errors.ts';
import type { KubernetesObject, KubernetesPort, Listing, WatchEvent, WatchStart } from '../../../agent/cluster/port.ts';
import type { Clock } from '../../../agent/clock.ts';

type Event = WatchEvent<KubernetesObject>;
interface Logged {
  readonly version: number;
  readonly event: Event;
}
type Problem = ClusterError | undefined;

/** The smallest thing that behaves as an API server towards a watch: objects, a log of changes, and troubles on request. */
export class ModelServer {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  readonly lists: number[] = [];
  readonly watches: { readonly from: string; readonly atMs: number }[] = [];
  /** Thrown by the next requests, one each; undefined lets one pass. */
  readonly troubles: Problem[] = [];
  /** Thrown by every request. */
  trouble: Problem;
  /** Whether it ends watches at their timeout, as it should. */
  punctual = true;
  /** Watches that stand are sent nothing, not even what happens afterwards; new ones are. */
  stuck = false;
  /** Ends each watch as soon as it has sent what there is. */
  hasty = false;
  readonly #clock: Clock;
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #log: Logged[] = [];
  #version = 0;
  #forgotten = 0;
  #uids = 0;
  #heardMs: number | undefined;
  /** Wakes the watches that stand: something to send, or the end. */
  #wake = Promise.withResolvers<Problem>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.port = {
      list: async (_resource, _scope, project) => await this.#list(project as (object: KubernetesObject) => never),
      watch: (_resource, _scope, from, options) => this.#watch(from, options?.signal) as AsyncIterable<never>,
      lastHeardMs: () => this.#heardMs,
    };
  }

  get requests(): number {
    return this.lists.length + this.watches.length;
  }

  objects(): string[] {
    return Array.from(this.#objects.values(), describeObject).sort();
  }

  put(name: string): void {
    const known = this.#objects.get(name);
    const uid = known?.metadata.uid ?? `uid-${(this.#uids += 1)}`;
    this.#version += 1;
    const object = { metadata: { name, uid, resourceVersion: String(this.#version) } };
    this.#objects.set(name, object);
    this.#send({ type: known === undefined ? 'added' : 'modified', object });
  }

  remove(name: string): void {
    const known = this.#objects.get(name);
    if (known === undefined) return;
    this.#version += 1;
    this.#objects.delete(name);
    const object = { metadata: { ...known.metadata, resourceVersion: String(this.#version) } };
    this.#send({ type: 'deleted', object });
  }

  /** Something happened elsewhere: the watches are told how far they are. */
  bookmark(): void {
    this.#version += 1;
    this.#send({ type: 'bookmark', resourceVersion: String(this.#version) });
  }

  /** The last change is sent a second time, as after a resume that overlaps. */
  repeat(): void {
    const last = this.#log.at(-1);
    if (last !== undefined) this.#send(last.event);
  }

  /** Every resourceVersion so far is too old from now on. */
  forget(): void {
    this.#version += 1;
    this.#forgotten = this.#version;
  }

  cut(problem: ClusterError = new ClusterError('cluster/unavailable', 'cut')): void {
    this.#wakeAll(problem);
  }

  #send(event: Event): void {
    this.#log.push({ version: this.#version, event });
    this.#wakeAll(undefined);
  }

  #wakeAll(problem: Problem): void {
    const wake = this.#wake;
    this.#wake = Promise.withResolvers<Problem>();
    wake.resolve(problem);
  }

  #refuse(): void {
    const trouble = this.troubles.length > 0 ? this.troubles.shift() : this.trouble;
    if (trouble !== undefined) throw trouble;
    this.#heardMs = this.#clock.monotonicMs();
  }

  async #list<V>(project: (object: KubernetesObject) => V): Promise<Listing<V>> {
    this.lists.push(this.#clock.monotonicMs());
    this.#refuse();
    return { items: [...this.#objects.values()].map(project), resourceVersion: String(this.#version) };
  }

  async *#watch(from: WatchStart, signal: AbortSignal | undefined): AsyncIterable<Event> {
    this.watches.push({ from: from.resourceVersion, atMs: this.#clock.monotonicMs() });
    this.#refuse();
    let seen = Number(from.resourceVersion);
    if (seen < this.#forgotten) throw new ClusterError('cluster/gone', 'too old');
    yield { type: 'opened' };
    const over = new AbortController();
    const ended = this.#clock.sleep(this.punctual ? from.timeoutSeconds * 1000 : 1e12, over.signal);
    const aborted = Promise.withResolvers<'aborted'>();
    signal?.addEventListener('abort', () => aborted.resolve('aborted'), { once: true });
    let position = this.#log.findIndex(({ version }) => version > seen);
    if (position === -1) position = this.#log.length;
    let isStuck = false;
    try {
      for (;;) {
        isStuck ||= this.stuck;
        for (let next = isStuck ? undefined : this.#log[position]; next !== undefined; next = this.#log[position]) {
          position += 1;
          seen = next.version;
          this.#heardMs = this.#clock.monotonicMs();
          yield next.event;
        }
        if (this.hasty) return;
        const why = await Promise.race([this.#wake.promise, ended.then(() => 'ended' as const), aborted.promise]);
        if (why === 'ended') return;
        if (why === 'aborted') throw new ClusterError('cluster/cancelled', 'cancelled');
        if (why !== undefined) throw why;
      }
    } finally {
      over.abort();
    }
  }
}

export function describeObject({ metadata }: KubernetesObject): string {
  return `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`;
}
