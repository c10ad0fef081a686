import { deliver } from './notify/delivery.ts';
import type { Message, Outcome, Surroundings, Target } from './notify/delivery.ts';
import { renderText } from './notify/template.ts';
import type { Note, NotifyEvent } from './notify/template.ts';

export interface NotifierOptions extends Surroundings {
  readonly to: readonly Target[];
  /** By event; an empty one is not sent. */
  readonly messages: Readonly<Record<NotifyEvent, string>>;
  /** What became of a message, for the log and for metrics. */
  readonly onOutcome: (target: Target, message: Message, outcome: Outcome | { kind: 'overflow' }) => void;
}

/** A node has a handful to say about each reboot; more wait only where a destination is away for days. */
const MAX_WAITING = 50;

/**
 * Messages to people. `tell` never waits, fails or throws: each target has a queue of its own, emptied in order beside
 * everything else, and when it is full the oldest message gives way. Nothing runs while there is nothing to say.
 */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #queues: readonly Queue[];

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#queues = options.to.map((target) => new Queue(target, options));
  }

  tell(note: Note): void {
    const template = this.#options.messages[note.event];
    if (template === '') return;
    const message = { text: renderText(template, note), note };
    for (const queue of this.#queues) queue.put(message);
  }

  /** Resolves when all that was told is sent or dropped, or after `ms`: for the moment before a reboot. */
  async settle(ms: number): Promise<void> {
    const { clock, signal } = this.#options;
    const over = new AbortController();
    const sleep = clock.sleep(ms, AbortSignal.any([over.signal, signal]));
    await Promise.race([Promise.all(this.#queues.map((queue) => queue.idle())), sleep]);
    over.abort();
  }
}

class Queue {
  readonly #target: Target;
  readonly #options: NotifierOptions;
  readonly #waiting: Message[] = [];
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

  async idle(): Promise<void> {
    await this.#work;
  }

  async #empty(): Promise<void> {
    for (let message = this.#waiting.shift(); message; message = this.#waiting.shift()) {
      this.#options.onOutcome(this.#target, message, await deliver(this.#target, message, this.#options));
    }
    this.#work = undefined;
  }
}
