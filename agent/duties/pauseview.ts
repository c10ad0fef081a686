import type { Clock } from '../clock.ts';
import { controlScope, pauseOf } from '../cluster/control.ts';
import { configMaps } from '../cluster/objects.ts';
import type { KubernetesObject, Scope } from '../cluster/port.ts';
import { Watched, type WatchedOptions } from '../cluster/watch.ts';

type Options = Omit<WatchedOptions<KubernetesObject, string | undefined>, 'resource' | 'scope' | 'project'>;

/** Short for a person who waits for the pause to be heeded, and little to ask while a node is out of service anyway. */
const CHECK_EVERY_MS = 5 * 60_000;
const DEADLINE_MS = 30_000;

/**
 * Whether all nodes are paused. It may change once in a year, and a watch that is silent because it hangs is not told apart from one that
 * has nothing to tell, up to its end within the hour: where it matters a list says whether something was kept back.
 */
export class PauseView {
  readonly #options: Options;
  readonly #scope: Scope;
  readonly #watched: Watched<KubernetesObject, string | undefined>;

  constructor(namespace: string, options: Options) {
    this.#options = options;
    this.#scope = controlScope(namespace);
    this.#watched = new Watched({ ...options, resource: configMaps, scope: this.#scope, project: pauseOf });
  }

  /** Follows until `signal` aborts; while `isOutOfService`, lists now and then, too. Never rejects. */
  async run(isOutOfService: () => boolean, signal: AbortSignal): Promise<void> {
    await Promise.all([this.#watched.run(signal), this.#keepChecking(isOutOfService, signal)]);
  }

  get synced(): boolean {
    return this.#watched.synced;
  }

  async whenSynced(): Promise<void> {
    await this.#watched.whenSynced();
  }

  freshAsOfMs(): number | undefined {
    return this.#watched.freshAsOfMs();
  }

  /** The reason of a pause; undefined where there is none, or none has been read yet. */
  get current(): string | undefined {
    return this.#watched.values()[0];
  }

  /** The same as of now, by one list; where the watch has said otherwise, all is read anew. Throws ClusterError. */
  async check(signal: AbortSignal): Promise<string | undefined> {
    const { port } = this.#options;
    const { items } = await port.list(configMaps, this.#scope, pauseOf, { signal, deadlineMs: DEADLINE_MS });
    const [pause] = items;
    if (pause !== this.current) this.#watched.relist();
    return pause;
  }

  async #keepChecking(isOutOfService: () => boolean, signal: AbortSignal): Promise<void> {
    const clock: Clock = this.#options.clock;
    while (!signal.aborted) {
      await clock.sleep(CHECK_EVERY_MS, signal);
      if (signal.aborted || !isOutOfService()) continue;
      // An API server that does not answer is told of by the watches.
      await this.check(signal).catch(() => undefined);
    }
  }
}
