import type { Clock, Random } from '../../clock.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../observe/log.ts';
import { Drain, type DrainOutcome } from '../../reboot/drain/drain.ts';
import type { DrainOptions } from '../../reboot/drain/options.ts';
import type { DrainFacts } from '../../reboot/state.ts';

export interface DrainingOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'watch' | 'evict' | 'lastHeardMs'>;
  readonly nodeName: string;
  readonly options: () => DrainOptions;
  readonly onChange: () => void;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** The drain of this node, beside the machine: at most one runs. */
export class Draining {
  readonly #options: DrainingOptions;
  #facts: DrainFacts = { kind: 'none' };
  #endedAtMs = 0;
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(options: DrainingOptions) {
    this.#options = options;
  }

  facts(): DrainFacts {
    const sinceMs = this.#options.clock.monotonicMs() - this.#endedAtMs;
    if (this.#facts.kind === 'done') return { kind: 'done', doneForMs: sinceMs };
    return this.#facts.kind === 'failed' ? { ...this.#facts, failedForMs: sinceMs } : this.#facts;
  }

  /** Without effect where one runs or has ended. */
  start(signal: AbortSignal): void {
    if (this.#facts.kind !== 'none') return;
    const stop = new AbortController();
    this.#facts = { kind: 'running', podsLeft: 0, blockedBy: [] };
    this.#running = { stop, ended: this.#run(AbortSignal.any([signal, stop.signal])) };
  }

  /** Resolves when no request of it is under way. */
  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = undefined;
    this.#set({ kind: 'none' });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { options, clock, log, port, nodeName, random } = this.#options;
    const drain = new Drain({
      port,
      nodeName,
      clock,
      random,
      options: options(),
      onProgress: ({ left, obstacles, warning }) => {
        if (warning !== undefined) log.warn({ warning }, 'drain');
        const blockedBy = obstacles.map(({ code, text }) => ({ gate: code, reason: text }));
        this.#set({ kind: 'running', podsLeft: left, blockedBy });
      },
    });
    try {
      const outcome = await drain.run(signal);
      log.info({ ...outcome }, 'drain ended');
      this.#set(factsOf(outcome));
    } catch (error) {
      // A defect of ours must not look like a drain that goes on.
      log.error({ error }, 'drain');
      this.#set({ kind: 'failed', failedForMs: 0, reason: messageOf(error) });
    }
  }

  #set(facts: DrainFacts): void {
    this.#endedAtMs = this.#options.clock.monotonicMs();
    this.#facts = facts;
    this.#options.onChange();
  }
}

function factsOf(outcome: DrainOutcome): DrainFacts {
  switch (outcome.status) {
    case 'drained':
      return { kind: 'done', doneForMs: 0 };
    case 'refused':
      return { kind: 'failed', failedForMs: 0, reason: outcome.why };
    case 'stuck':
      return {
        kind: 'failed',
        failedForMs: 0,
        reason: [outcome.why, ...outcome.obstacles.map(({ text }) => text)].join('; '),
      };
    case 'uncordoned':
      return { kind: 'failed', failedForMs: 0, reason: 'somebody has uncordoned the node' };
    case 'stopped':
      return { kind: 'none' };
    default:
      return outcome satisfies never;
  }
}
