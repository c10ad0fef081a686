import { type StoredObject, textAt } from './objects.ts';
import type { Resource } from './resources.ts';

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly storedAs: string;
  /** The state after the change; of a deleted object the last, with the deletion's revision. */
  readonly object: StoredObject;
  /** The state before it; undefined of a new object. */
  readonly previous: StoredObject | undefined;
}

/** Changes kept for watches that start in the past. The real one keeps five minutes in etcd, and less in its cache. */
const MAX_HISTORY = 20_000;

/** Objects under one counter of revisions, as in etcd, with the recent changes. Nothing here knows what an object means. */
export class ObjectStore {
  readonly #objects = new Map<string, Map<string, StoredObject>>();
  readonly #listeners = new Set<(change: Change) => void>();
  readonly #undelivered: Change[] = [];
  #delivering = false;
  #history: Change[] = [];
  #revision = 1;
  /** Everything up to this revision is forgotten. */
  #forgotten = 0;

  get revision(): number {
    return this.#revision;
  }

  get(resource: Pick<Resource, 'storedAs'>, namespace: string, name: string): StoredObject | undefined {
    return this.#objects.get(resource.storedAs)?.get(keyOf(namespace, name));
  }

  /** In the order of their keys, as etcd gives them; all namespaces where none is named. */
  list(resource: Pick<Resource, 'storedAs'>, namespace?: string): StoredObject[] {
    const objects = [...(this.#objects.get(resource.storedAs) ?? [])];
    return objects
      .filter(([key]) => namespace === undefined || key.startsWith(`${namespace}/`))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, object]) => object);
  }

  /** Every object there is, with the kind it is stored as. */
  *all(): Generator<{ readonly storedAs: string; readonly object: StoredObject }> {
    for (const [storedAs, objects] of this.#objects) {
      for (const object of objects.values()) yield { storedAs, object };
    }
  }

  /** Stores an object under the next revision, which it then carries. */
  put(resource: Pick<Resource, 'storedAs'>, object: StoredObject): StoredObject {
    const key = keyOf(textAt(object, 'metadata.namespace'), object.metadata.name);
    const objects = this.#objects.get(resource.storedAs) ?? new Map<string, StoredObject>();
    this.#objects.set(resource.storedAs, objects);
    const previous = objects.get(key);
    const stored = this.#atNextRevision(object);
    objects.set(key, stored);
    this.#record(previous === undefined ? 'ADDED' : 'MODIFIED', resource.storedAs, stored, previous);
    return stored;
  }

  delete(resource: Pick<Resource, 'storedAs'>, object: StoredObject): StoredObject {
    const objects = this.#objects.get(resource.storedAs);
    const key = keyOf(textAt(object, 'metadata.namespace'), object.metadata.name);
    objects?.delete(key);
    const last = this.#atNextRevision(object);
    this.#record('DELETED', resource.storedAs, last, object);
    return last;
  }

  /** What changed after a revision, oldest first; undefined when that is no longer known. */
  changesSince(revision: number): Change[] | undefined {
    if (revision < this.#forgotten) return undefined;
    return this.#history.filter((change) => change.revision > revision);
  }

  /** Calls back for every change from now on. Returns what ends it. */
  listen(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets the history, as a compaction does: watches from before now are too old. */
  forgetHistory(): void {
    this.#revision += 1;
    this.#forgotten = this.#revision;
    this.#history = [];
  }

  #atNextRevision(object: StoredObject): StoredObject {
    this.#revision += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
  }

  #record(type: Change['type'], storedAs: string, object: StoredObject, previous: StoredObject | undefined): void {
    const change: Change = { type, revision: this.#revision, storedAs, object, previous };
    this.#history.push(change);
    if (this.#history.length > MAX_HISTORY) {
      const kept = this.#history.slice(MAX_HISTORY / 2);
      this.#forgotten = (kept[0]?.revision ?? this.#revision) - 1;
      this.#history = kept;
    }
    this.#undelivered.push(change);
    if (!this.#delivering) this.#deliver();
  }

  /** In order also where a listener changes something itself: then everybody hears of the first change first. */
  #deliver(): void {
    this.#delivering = true;
    try {
      for (let change = this.#undelivered.shift(); change !== undefined; change = this.#undelivered.shift()) {
        for (const listener of this.#listeners) listener(change);
      }
    } finally {
      this.#delivering = false;
    }
  }
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
