import type { Clock } from '../clock.ts';

/** A server that does not end a watch at its timeout is not well. */
const overtimeMs = 60_000;

/**
 * API servers send a bookmark about once a minute. A watch that has had one and then nothing for so long is stuck, however
 * alive its connection is: in a proxy, or in a watch cache that has lost etcd
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks). Before the first nothing is known: API
 * servers send none of what has never changed since they began.
 */
const silenceLimitMs = 300_000;

/** Ends a watch that its server does not end, or that is stuck. */
export class WatchGuard {
  readonly #clock: Clock;
  readonly #quietLimitMs: () => number;
  readonly #stop = new AbortController();
  readonly #over = new AbortController();
  #heardMs: number;
  #hasBookmarks = false;
  #why: string | undefined;
  #wasQuiet = false;

  /** One that has had no bookmark, and nothing else for `quietLimitMs`, is given up, too. */
  constructor(timeoutSeconds: number, clock: Clock, quietLimitMs: () => number) {
    this.#clock = clock;
    this.#quietLimitMs = quietLimitMs;
    this.#heardMs = clock.monotonicMs();
    void this.#endOvertime(timeoutSeconds * 1000 + overtimeMs);
    void this.#endSilent();
  }

  /** Aborts when the watch is to be given up. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Why it was given up; undefined while it was not. */
  get why(): string | undefined {
    return this.#why;
  }

  /** It was given up though nothing says that it was stuck: perhaps there was nothing to tell. */
  get wasQuiet(): boolean {
    return this.#wasQuiet;
  }

  heard(type: string): void {
    this.#heardMs = this.#clock.monotonicMs();
    this.#hasBookmarks ||= type === 'bookmark';
  }

  /** The watch is over: nothing is left to guard. */
  end(): void {
    this.#over.abort();
  }

  #giveUp(why: string): void {
    if (this.#over.signal.aborted) return;
    this.#why = why;
    this.#over.abort();
    this.#stop.abort();
  }

  async #endOvertime(limitMs: number): Promise<void> {
    await this.#clock.sleep(limitMs, this.#over.signal);
    this.#giveUp(`not ended by the server within ${limitMs / 1000} s`);
  }

  async #endSilent(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      const limitMs = this.#hasBookmarks ? silenceLimitMs : this.#quietLimitMs();
      const leftMs = this.#heardMs + limitMs - this.#clock.monotonicMs();
      if (leftMs <= 0) {
        this.#wasQuiet = !this.#hasBookmarks;
        this.#giveUp(`no event and no bookmark for ${Math.round(limitMs / 1000)} s`);
      } else await this.#clock.sleep(Math.min(leftMs, silenceLimitMs), signal);
    }
  }
}
