import type { Obstacle, ObstacleCode } from '../node/obstacle.ts';

/**
 * Whether a cleaning may start and go on. Several sources speak (the Node, the lists of exclusions); each has at most one
 * obstacle at a time, and all must have none. Without a source, as outside of a cluster, it is open.
 */
export class Gate {
  readonly #obstacles = new Map<string, Obstacle>();
  readonly #listeners = new Set<() => void>();
  #told: ObstacleCode | undefined;
  #whileOpen = new AbortController();
  #opened = Promise.withResolvers<void>();

  constructor() {
    this.#opened.resolve();
  }

  /** The obstacle of the source that first had one. */
  get obstacle(): Obstacle | undefined {
    return this.#obstacles.values().next().value;
  }

  /** Aborts when the gate closes. */
  get whileOpen(): AbortSignal {
    return this.#whileOpen.signal;
  }

  /** Told when the gate opens, closes, or stays closed for another reason. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Undefined: nothing of `source` stands in the way. */
  set(source: string, obstacle: Obstacle | undefined): void {
    const wasOpen = this.#obstacles.size === 0;
    if (obstacle === undefined) this.#obstacles.delete(source);
    else this.#obstacles.set(source, obstacle);
    const isOpen = this.#obstacles.size === 0;
    if (wasOpen && !isOpen) {
      this.#opened = Promise.withResolvers<void>();
      this.#whileOpen.abort(this.obstacle?.reason);
    }
    if (!wasOpen && isOpen) {
      this.#whileOpen = new AbortController();
      this.#opened.resolve();
    }
    const code = this.obstacle?.code;
    if (code === this.#told) return;
    this.#told = code;
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when it is open, or when `signal` aborts. It may be closed again by then. */
  async whenOpen(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise: aborted, resolve } = Promise.withResolvers<void>();
    const abort = (): void => resolve();
    signal.addEventListener('abort', abort, { once: true });
    await Promise.race([this.#opened.promise, aborted]);
    signal.removeEventListener('abort', abort);
  }
}
