import { deliver } from './notify/delivery.ts';
import type { Message, Outcome, Surroundings, Target } from './notify/delivery.ts';
import { Secret } from '../secret.ts';
import { renderText } from './notify/template.ts';
import type { Note, NotifyEvent } from './notify/template.ts';

export interface NotifierOptions extends Surroundings {
  /** As it is when something is told. */
  readonly config: () => NotifyConfig;
  /** What became of a message, for the log and for metrics. */
  readonly onOutcome: (target: Target, message: Message, outcome: Outcome | { kind: 'overflow' | 'removed' }) => void;
}

export interface NotifyConfig {
  readonly to: readonly Target[];
  /** By event; an empty one is not sent. */
  readonly messages: Readonly<Record<NotifyEvent, string>>;
}

/** A node has a handful to say about each reboot; more wait only where a destination is away for days. */
const MAX_WAITING = 50;

/**
 * Messages to people. `tell` never waits, fails or throws: each target has a queue of its own, emptied in order beside
 * everything else, and when it is full the oldest message gives way. Nothing runs while there is nothing to say.
 */
export class Notifier {
  readonly #options: NotifierOptions;
  /** By target, as the last message found them. */
  #queues: ReadonlyMap<string, Queue> = new Map();

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  tell(note: Note): void {
    const { to, messages } = this.#options.config();
    this.#follow(to);
    const template = messages[note.event];
    if (template === '') return;
    const message = { text: renderText(template, note), note };
    for (const queue of this.#queues.values()) queue.put(message);
  }

  /** Whoever is still there keeps what waits for it; who is not gets nothing more. */
  #follow(to: readonly Target[]): void {
    const before = this.#queues;
    const queues = new Map(to.map((target) => [keyOf(target), target]));
    this.#queues = new Map(
      [...queues].map(([key, target]) => [key, before.get(key) ?? new Queue(target, this.#options)]),
    );
    for (const [key, queue] of before) if (!this.#queues.has(key)) queue.close();
  }

  /** Resolves when all that was told is sent or dropped, or after `ms`: for the moment before a reboot. */
  async settle(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    const over = new AbortController();
    const sleep = clock.sleep(ms, AbortSignal.any([over.signal, signal]));
    await Promise.race([Promise.all([...this.#queues.values()].map((queue) => queue.idle())), sleep]);
    over.abort();
  }
}

/** In memory only: it quotes the URL. */
function keyOf({ address, body }: Target): string {
  return JSON.stringify([address instanceof Secret ? address.reveal() : address, body]);
}

class Queue {
  readonly #target: Target;
  readonly #options: NotifierOptions;
  readonly #waiting: Message[] = [];
  readonly #closed = new AbortController();
  #work: Promise<void> | undefined;

  constructor(target: Target, options: NotifierOptions) {
    this.#target = target;
    this.#options = options;
  }

  put(message: Message): void {
    if (this.#waiting.length >= MAX_WAITING) {
      const oldest = this.#waiting.shift();
      if (oldest) this.#options.onOutcome(this.#target, oldest, { kind: 'overflow' });
    }
    this.#waiting.push(message);
    this.#work ??= this.#empty();
  }

  close(): void {
    this.#closed.abort();
    for (const message of this.#waiting.splice(0)) this.#options.onOutcome(this.#target, message, { kind: 'removed' });
  }

  async idle(): Promise<void> {
    await this.#work;
  }

  async #empty(): Promise<void> {
    const around = { ...this.#options, signal: AbortSignal.any([this.#options.signal, this.#closed.signal]) };
    for (let message = this.#waiting.shift(); message; message = this.#waiting.shift()) {
      this.#options.onOutcome(this.#target, message, await deliver(this.#target, message, around));
    }
    this.#work = undefined;
  }
}
