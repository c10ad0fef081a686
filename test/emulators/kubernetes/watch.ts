import type { Clock } from '../../../agent/clock.ts';
import type { JsonObject, StoredObject } from './objects.ts';
import type { Representation } from './representation.ts';
import type { Test } from './selectors.ts';
import { expired } from './status.ts';
import type { Change, ObjectStore } from './store.ts';

/** The connection ends without a proper end of the answer. */
export class ConnectionCut extends Error {}

export interface WatchOptions {
  readonly store: ObjectStore;
  readonly storedAs: string;
  readonly clock: Clock;
  readonly matches: Test;
  readonly representation: Representation;
  /** Changes after this one are sent; undefined: what is there now, and everything after. */
  readonly from: number | undefined;
  /** Undefined: the client asked for none. */
  readonly bookmarkEveryMs: number | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Events that a client has not taken: a watch that falls behind further than this is ended, as the real one does. */
const MAX_WAITING = 10_000;

/** One watch: what it tells, in order. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #waiting: JsonObject[] = [];
  #wake = Promise.withResolvers<void>();
  #state: 'open' | 'ended' | 'cut' = 'open';
  #silent = false;
  /** The last change of this resource since the watch began, whether it matched or not. */
  #lastRevision: number | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Ends the answer properly after what is waiting has been sent. */
  end(): void {
    this.#finish('ended');
  }

  /** The connection goes away in the middle. */
  cut(): void {
    this.#finish('cut');
  }

  /** Sends nothing any more, but stays open: a half-closed connection. */
  silence(): void {
    this.#silent = true;
  }

  /** What the server sends when the history that this watch needs is gone, and then the end. */
  expire(): void {
    this.#send('ERROR', expired('The resourceVersion for the provided watch is too old.').toStatus());
    this.end();
  }

  async *events(): AsyncGenerator<JsonObject> {
    const { store, bookmarkEveryMs, timeoutMs, signal } = this.#options;
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const stopListening = store.listen((change) => this.#changed(change));
    signal.addEventListener('abort', () => this.end(), { once: true });
    try {
      this.#begin();
      void this.#endAfter(timeoutMs, ended);
      if (bookmarkEveryMs !== undefined) void this.#keepBookmarking(bookmarkEveryMs, ended);
      for (;;) {
        const event = this.#silent ? undefined : this.#waiting.shift();
        if (this.#state === 'cut') throw new ConnectionCut();
        if (event !== undefined) yield event;
        else if (this.#state === 'ended') return;
        else await this.#wake.promise;
      }
    } finally {
      stopListening();
      over.abort();
    }
  }

  #begin(): void {
    const { store, from, storedAs, matches, representation } = this.#options;
    if (from === undefined) {
      for (const object of store.list({ storedAs })) {
        if (matches(object)) this.#send('ADDED', representation.object(object));
      }
      return;
    }
    const changes = store.changesSince(from);
    if (changes === undefined) {
      this.#send('ERROR', expired(`too old resource version: ${from} (${store.revision})`).toStatus());
      this.end();
      return;
    }
    for (const change of changes) this.#changed(change);
  }

  /** To a client with a selector an object that begins to match appears, and one that ceases to match is gone. */
  #changed({ type, storedAs, object, previous, revision }: Change): void {
    const { matches, representation } = this.#options;
    if (storedAs !== this.#options.storedAs || this.#state !== 'open') return;
    this.#lastRevision = revision;
    const matched = previous !== undefined && matches(previous);
    const isMatch = type !== 'DELETED' && matches(object);
    if (isMatch) this.#send(matched ? 'MODIFIED' : 'ADDED', representation.object(object));
    else if (matched) this.#send('DELETED', representation.object(lastSeen(previous, object)));
    if (this.#waiting.length > MAX_WAITING) this.cut();
  }

  async #endAfter(timeoutMs: number, ended: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(timeoutMs, ended);
    // The last bookmark lets the next watch begin where this one ended.
    if (this.#options.bookmarkEveryMs !== undefined) this.#bookmark();
    this.end();
  }

  /** As from an API server over an older etcd: where nothing of this resource has changed there is no bookmark. */
  #bookmark(): void {
    if (this.#lastRevision === undefined) return;
    this.#send('BOOKMARK', this.#options.representation.bookmark(this.#lastRevision));
  }

  async #keepBookmarking(everyMs: number, ended: AbortSignal): Promise<void> {
    for (;;) {
      await this.#options.clock.sleep(everyMs, ended);
      if (ended.aborted) return;
      this.#bookmark();
    }
  }

  #send(type: string, object: JsonObject): void {
    if (this.#state !== 'open') return;
    this.#waiting.push({ type, object });
    this.#stir();
  }

  #finish(state: 'ended' | 'cut'): void {
    if (this.#state === 'open') this.#state = state;
    this.#stir();
  }

  #stir(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** The state that the client last saw, under the revision of the change that took it away. */
function lastSeen(previous: StoredObject, { metadata: { resourceVersion } }: StoredObject): StoredObject {
  return { ...previous, metadata: { ...previous.metadata, resourceVersion } };
}
