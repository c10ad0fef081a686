import * as z from 'zod/mini';
import { Bell } from '../bell.ts';
import { nodeAnnotations, stateLabel } from '../cluster/names.ts';
import { isNodetenderError, type NodetenderError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/load.ts';
import type { NodeView } from '../cluster/node.ts';
import type { Logger } from '../observe/log.ts';
import type { Reboots } from './reboot/open.ts';

export interface RebootsWhenEnabledOptions {
  readonly config: () => Config;
  readonly node: () => NodeView | undefined;
  readonly open: () => Promise<Reboots>;
  /** Told when they cannot begin, and why. */
  readonly onFailed: (error: NodetenderError) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const tryAgainMs = 5 * 60_000;

/**
 * Reboots from the moment on in which the configuration allows them: until then their code is not even loaded. A node that an
 * earlier life of the agent has taken out of service comes back to it also where they have been forbidden meanwhile.
 */
export class RebootsWhenEnabled {
  readonly #options: RebootsWhenEnabledOptions;
  readonly #bell = new Bell();
  #opened: Reboots | undefined;

  constructor(options: RebootsWhenEnabledOptions) {
    this.#options = options;
  }

  /** To be called when the Node, the pause or the configuration has changed. */
  look(): void {
    if (this.#opened === undefined) this.#bell.ring();
    else this.#opened.look();
  }

  /** Until `signal` aborts. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isWanted()) await this.#bell.wait(signal);
    while (!signal.aborted && this.#opened === undefined) await this.#open(signal);
    await this.#opened?.work(signal);
  }

  #isWanted(): boolean {
    const { config, node } = this.#options;
    return config().reboot.enabled || maySomethingBeLeft(node());
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { open, onFailed, clock, log } = this.#options;
    try {
      this.#opened = await open();
    } catch (error) {
      if (!isNodetenderError(error)) throw error;
      log.error({ error }, 'reboots cannot begin; tried again in a while');
      onFailed(error);
      await clock.sleep(tryAgainMs, signal);
    }
  }
}

/** A record with nothing to give back. What else one has is for the code that is not loaded yet. */
const atRest = z.object({
  phase: z.literal('idle'),
  cordonedByUs: z.literal(false),
  marks: z.array(z.unknown()).check(z.maxLength(0)),
  slot: z.optional(z.undefined()),
});

/** Anybody may have taken the label away, and the cordon would stay for ever; a record that cannot be read may be of one. */
function maySomethingBeLeft(node: NodeView | undefined): boolean {
  const record = node?.annotations.get(nodeAnnotations.rebootStatus);
  return node?.labels.has(stateLabel) === true || (record !== undefined && !isAtRest(record));
}

function isAtRest(record: string): boolean {
  try {
    return z.safeParse(atRest, JSON.parse(record)).success;
  } catch {
    return false;
  }
}
