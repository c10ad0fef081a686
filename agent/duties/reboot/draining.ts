import type { Clock, Random } from '../../clock.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { messageOf } from '../../errors.ts';
import type { EventReason } from '../../eventreasons.ts';
import type { Logger } from '../../observe/log.ts';
import { Drain, type DrainOutcome } from '../../reboot/drain/drain.ts';
import type { DrainOptions } from '../../reboot/drain/options.ts';
import type { DrainFacts } from '../../reboot/state.ts';
import type { RebootWatcher } from './watcher.ts';

export interface DrainingOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'watch' | 'evict' | 'lastHeardMs'>;
  readonly nodeName: string;
  readonly options: () => DrainOptions;
  readonly onChange: () => void;
  /** What is lost with pods that go, and who may be too slow; once each for a drain. */
  readonly onWarning: (reason: EventReason, warning: string) => void;
  readonly watcher?: Pick<RebootWatcher, 'drainEnded' | 'evictionAnswered'> | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** The drain of this node, beside the machine: at most one runs. */
export class Draining {
  readonly #options: DrainingOptions;
  #facts: DrainFacts = { kind: 'none' };
  /** Since the drain is as far as it is, monotonic: the last pod went, or it has ended. */
  #asOfMs = 0;
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(options: DrainingOptions) {
    this.#options = options;
  }

  facts(): DrainFacts {
    const sinceMs = this.#options.clock.monotonicMs() - this.#asOfMs;
    switch (this.#facts.kind) {
      case 'none':
        return this.#facts;
      case 'running':
        return { ...this.#facts, unchangedForMs: sinceMs };
      case 'done':
        return { ...this.#facts, doneForMs: sinceMs };
      case 'failed':
        return { ...this.#facts, failedForMs: sinceMs };
      default:
        return this.#facts satisfies never;
    }
  }

  /** Without effect where one runs or has ended. In earlier lives of the agent it has run for `ranForMs`. */
  start(ranForMs: number, signal: AbortSignal): void {
    if (this.#facts.kind !== 'none') return;
    const stop = new AbortController();
    this.#facts = { kind: 'running', podsLeft: 0, blockedBy: [], unchangedForMs: 0 };
    this.#asOfMs = this.#options.clock.monotonicMs();
    this.#running = { stop, ended: this.#run(ranForMs, AbortSignal.any([signal, stop.signal])) };
  }

  /** Resolves when no request of it is under way. */
  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = undefined;
    this.#set({ kind: 'none' });
  }

  async #run(ranForMs: number, signal: AbortSignal): Promise<void> {
    const { options, clock, log, port, nodeName, random, onWarning, watcher } = this.#options;
    const beganAtMs = clock.monotonicMs();
    const warned = new Set<EventReason>();
    const warn = (reason: EventReason, warning: string | undefined): void => {
      // The first names the most pods: it changes with each that goes.
      if (warning === undefined || warned.has(reason)) return;
      warned.add(reason);
      onWarning(reason, warning);
    };
    const drain = new Drain({
      port,
      nodeName,
      clock,
      random,
      options: options(),
      ranForMs,
      onEviction: (result) => watcher?.evictionAnswered(result),
      onProgress: ({ left, obstacles, warnings }) => {
        warn('RebootDrainLoses', warnings.loses);
        warn('RebootDrainTakesLong', warnings.takesLong);
        const blockedBy = obstacles.map(({ code, text }) => ({ gate: code, reason: text }));
        const isSame = this.#facts.kind === 'running' && this.#facts.podsLeft === left;
        this.#set({ kind: 'running', podsLeft: left, blockedBy, unchangedForMs: 0 }, isSame ? this.#asOfMs : undefined);
      },
    });
    try {
      const outcome = await drain.run(signal);
      log.info({ ...outcome }, 'drain ended');
      watcher?.drainEnded(outcome.status, clock.monotonicMs() - beganAtMs);
      this.#set(factsOf(outcome));
    } catch (error) {
      // A defect of ours must not look like a drain that goes on.
      log.error({ error }, 'drain');
      this.#set({ kind: 'failed', failedForMs: 0, reason: messageOf(error) });
    }
  }

  #set(facts: DrainFacts, asOfMs = this.#options.clock.monotonicMs()): void {
    this.#asOfMs = asOfMs;
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
