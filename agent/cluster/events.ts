import { createHash } from 'node:crypto';
import { Bell } from '../bell.ts';
import type { Clock, Random } from '../clock.ts';
import { isNodetenderError } from '../errors.ts';
import type { EventReason } from '../eventreasons.ts';
import { type Backoff } from '../backoff.ts';
import { retryMs } from './backoff.ts';
import type { KubernetesObject, KubernetesPort, Resource } from './port.ts';
import { type Rate, TokenBucket } from './tokenbucket.ts';

const events: Resource = { group: 'events.k8s.io', version: 'v1', plural: 'events', namespaced: true };

/** An object that an Event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Undefined for objects that live in no namespace. */
  readonly namespace?: string | undefined;
  readonly uid: string;
}

export interface Note {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  readonly reason: EventReason;
  /** What was done or refused; UpperCamelCase. */
  readonly action: string;
  /** At most 1024 bytes. */
  readonly note: string;
  /** What makes it the same Event when it is told again, even by a later life of the agent. */
  readonly identity: string;
}

export interface EventRecorderOptions {
  readonly port: Pick<KubernetesPort, 'create'>;
  /** The name of this agent among its peers: its Node's. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when an Event is lost, and why. */
  readonly onLost: (note: Note, why: string) => void;
}

/** Enough for everything that happens to a node at once; more is somebody who changes an annotation in a loop. */
const maxWaiting = 32;
const rate: Rate = { burst: 25, perSecond: 1 / 60 };
/** Told this often in one life of the agent, an Event is remembered without asking the API server again. */
const maxRemembered = 256;
const retryBackoff: Backoff = { firstMs: 1_000, longestMs: 60_000 };
/** An API server that is away for longer than this has lost the Events of others, too. */
const maxTries = 30;

/** Writes Events, each once, in order, and never more than a few a minute for long. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #bucket: TokenBucket;
  readonly #waiting: { readonly note: Note; readonly atMs: number }[] = [];
  readonly #told = new Set<string>();
  readonly #bell = new Bell();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(rate, options.clock);
  }

  /** Remembers to write it. Never throws, never waits. */
  tell(note: Note): void {
    const name = nameOf(note);
    if (this.#told.has(name)) return;
    if (this.#waiting.length >= maxWaiting) {
      // Not remembered: told again when there is room, it is written.
      this.#options.onLost(note, `${maxWaiting} Events wait already`);
      return;
    }
    this.#told.add(name);
    if (this.#told.size > maxRemembered) for (const oldest of this.#told.values().take(1)) this.#told.delete(oldest);
    this.#waiting.push({ note, atMs: this.#options.clock.nowMs() });
    this.#bell.ring();
  }

  /** Writes what is told until `signal` aborts. Never rejects. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const next = this.#waiting[0];
      if (next === undefined) {
        await this.#bell.wait(signal);
        continue;
      }
      await this.#bucket.take(signal);
      await this.#write(next.note, next.atMs, signal);
      this.#waiting.shift();
    }
  }

  async #write(note: Note, atMs: number, signal: AbortSignal): Promise<void> {
    const { port, instance, clock, random, onLost } = this.#options;
    const namespace = note.regarding.namespace ?? 'default';
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await port.create<KubernetesObject>(events, namespace, eventOf(note, namespace, instance, atMs), { signal });
        return;
      } catch (error) {
        if (isNodetenderError(error, 'cluster/already-exists')) return;
        if (!isNodetenderError(error)) throw error;
        const isHopeless = isNodetenderError(error, 'cluster/forbidden', 'cluster/invalid', 'cluster/not-found');
        if (isHopeless || failures >= maxTries) {
          // What is refused is refused again; an API server that was away comes back.
          if (!isHopeless) this.#told.delete(nameOf(note));
          onLost(note, error.message);
          return;
        }
        await clock.sleep(retryMs(retryBackoff, failures, error, random), signal);
      }
    }
  }
}

/** Deterministic, so that the API server refuses the second of two that are the same. */
function nameOf({ regarding, reason, identity }: Note): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([regarding.uid, reason, identity]))
    .digest('hex')
    .slice(0, 16);
  // A name has at most 253 characters, and its parts between dots begin and end with a letter or digit.
  return `${regarding.name.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${hash}`;
}

function eventOf(told: Note, namespace: string, instance: string, atMs: number): object {
  const { regarding, type, reason, action, note } = told;
  return {
    metadata: { name: nameOf(told), namespace },
    eventTime: new Date(atMs).toISOString().replace('Z', '000Z'),
    reportingController: 'nodetender.dev/agent',
    reportingInstance: instance.slice(0, 128),
    type,
    reason,
    action,
    note,
    regarding,
  };
}
