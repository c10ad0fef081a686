import { randomUUID } from 'node:crypto';

import type { Clock } from '../../../agent/clock.ts';
import type { Boot, Inhibitor } from '../../../agent/host/port.ts';

/** What comes of a reboot that was asked for. */
export type RebootOutcome =
  | 'reboots'
  /** Accepted, and nothing follows. */
  | 'ignored'
  /** The shutdown begins and never gets to its end, as with a service that does not stop. */
  | 'stuck'
  /** It goes down and does not come up again. */
  | 'never-returns'
  /** It happens, but the one who asked is not told. */
  | 'unanswered'
  /** Neither is it told, nor does it happen. */
  | 'lost'
  | 'denied'
  | 'failed';

/** As logind keeps it. */
export interface EmulatedInhibitor extends Inhibitor {
  /** For example `shutdown:sleep`. */
  readonly what: string;
  readonly mode: 'block' | 'block-weak' | 'delay';
}

export interface EmulatedHostOptions {
  readonly clock: Clock;
  /** From the request until nothing runs any more, and from there until the agent could be started again. */
  readonly shutdownMs?: number;
  readonly bootMs?: number;
  /** When it is made. */
  readonly upForMs?: number;
  /** Simulations give IDs that a seed repeats. */
  readonly newBootId?: () => string;
}

/** A machine that boots, is asked to reboot and does what a test has chosen. */
export class EmulatedHost {
  readonly clock: Clock;
  /** What logind says to CanReboot. */
  canReboot = 'yes';
  /** Of what kind the shutdown is that somebody has scheduled; empty: nobody has. */
  scheduledShutdown = '';
  /** False: there is a bus, and no logind on it. */
  hasLogind = true;
  /** Logind takes every question and answers none. */
  hangs = false;
  /** What comes of the next reboots asked for, in turn; of all later ones that they reboot. */
  readonly outcomes: RebootOutcome[] = [];
  readonly #listeners = new Set<(state: 'down' | 'up') => void>();
  readonly #shutdownMs: number;
  readonly #bootMs: number;
  readonly #newBootId: () => string;
  readonly #inhibitors = new Set<EmulatedInhibitor>();
  readonly #boots: string[] = [];
  #bootedAtMonotonicMs: number;
  #state: 'up' | 'going-down' | 'down' = 'up';
  #rebootsAsked = 0;

  constructor({
    clock,
    shutdownMs = 5_000,
    bootMs = 30_000,
    upForMs = 86_400_000,
    newBootId = randomUUID,
  }: EmulatedHostOptions) {
    this.clock = clock;
    this.#shutdownMs = shutdownMs;
    this.#bootMs = bootMs;
    this.#newBootId = newBootId;
    this.#boots.push(newBootId());
    this.#bootedAtMonotonicMs = clock.monotonicMs() - upForMs;
  }

  get boot(): Boot {
    const uptimeMs = this.clock.monotonicMs() - this.#bootedAtMonotonicMs;
    return { bootId: this.#boots.at(-1) ?? '', uptimeMs, bootedAtMs: this.clock.nowMs() - uptimeMs };
  }

  /** Boot IDs, oldest first. */
  get boots(): readonly string[] {
    return this.#boots;
  }

  get state(): 'up' | 'going-down' | 'down' {
    return this.#state;
  }

  get inhibitors(): readonly EmulatedInhibitor[] {
    return [...this.#inhibitors];
  }

  /** How often a reboot was asked for, whatever came of it. */
  get rebootsAsked(): number {
    return this.#rebootsAsked;
  }

  /** Told when everything on it has ended, and when it has booted. */
  subscribe(listener: (state: 'down' | 'up') => void): void {
    this.#listeners.add(listener);
  }

  /** Takes an inhibitor; the result ends it. */
  inhibit(inhibitor: EmulatedInhibitor): () => void {
    this.#inhibitors.add(inhibitor);
    return () => this.#inhibitors.delete(inhibitor);
  }

  /** Takes the request, and tells what was chosen to come of it. */
  askReboot(): RebootOutcome {
    this.#rebootsAsked += 1;
    const outcome = this.outcomes.shift() ?? 'reboots';
    if (this.#state === 'up' && ['reboots', 'unanswered', 'never-returns', 'stuck'].includes(outcome)) {
      this.#state = 'going-down';
      if (outcome !== 'stuck') void this.#goDown(outcome !== 'never-returns');
    }
    return outcome;
  }

  /** A power cut and its end, or somebody with a finger on the button. */
  async powerCycle(): Promise<void> {
    this.#down();
    await this.clock.sleep(this.#bootMs);
    if (this.#isDown()) this.#boot();
  }

  #isDown(): boolean {
    return this.#state === 'down';
  }

  async #goDown(returns: boolean): Promise<void> {
    await this.clock.sleep(this.#shutdownMs);
    if (this.#state !== 'going-down') return;
    this.#down();
    if (!returns) return;
    await this.clock.sleep(this.#bootMs);
    // Somebody may have pressed the button meanwhile.
    if (this.#isDown()) this.#boot();
  }

  #down(): void {
    this.#state = 'down';
    this.#inhibitors.clear();
    for (const listener of this.#listeners) listener('down');
  }

  #boot(): void {
    this.#boots.push(this.#newBootId());
    this.#bootedAtMonotonicMs = this.clock.monotonicMs();
    this.#state = 'up';
    for (const listener of this.#listeners) listener('up');
  }
}
