import type { Clock } from '../../clock.ts';
import { isNodetenderError, messageOf } from '../../errors.ts';
import type { HostPort } from '../../host/port.ts';
import type { Phase, RebootCall } from '../../reboot/state.ts';

/** One try: from the cordon to the order. */
const ofOneTry: ReadonlySet<Phase> = new Set(['cordoned', 'draining', 'rebooting']);

/** The order to reboot, and what has become of it as far as the host tells. */
export class RebootOrder {
  readonly #host: Pick<HostPort, 'reboot' | 'preparingForShutdown'>;
  readonly #clock: Clock;
  #call: RebootCall = { kind: 'none' };
  #atMs = 0;
  #unconfirmed = 0;

  constructor({ host, clock }: { host: Pick<HostPort, 'reboot' | 'preparingForShutdown'>; clock: Clock }) {
    this.#host = host;
    this.#clock = clock;
  }

  facts(): RebootCall {
    if (this.#call.kind !== 'sent') return this.#call;
    return { kind: 'sent', sentAgoMs: this.#clock.monotonicMs() - this.#atMs };
  }

  /** To be called with each look: what came of an order says nothing about the next. */
  look(phase: Phase): void {
    if (phase !== 'rebooting') this.#call = { kind: 'none' };
    if (!ofOneTry.has(phase)) this.#unconfirmed = 0;
  }

  /** An earlier life may have given it. */
  doubt(): void {
    this.#call = { kind: 'unknown' };
  }

  /** The Lease has not let it be given. */
  prevented(error: unknown): void {
    this.#unconfirmed += 1;
    this.#call = { kind: 'unconfirmed', times: this.#unconfirmed, reason: messageOf(error) };
  }

  /** An order that the host may have heard counts as given; one that it refused is a fact like any other. */
  async give(signal: AbortSignal): Promise<void> {
    this.#atMs = this.#clock.monotonicMs();
    try {
      await this.#host.reboot(signal);
      this.#call = { kind: 'sent', sentAgoMs: 0 };
    } catch (error) {
      const mayHappen = isNodetenderError(error, 'host/reboot-unanswered');
      this.#call = mayHappen ? { kind: 'sent', sentAgoMs: 0 } : { kind: 'refused', reason: messageOf(error) };
    }
  }

  async preparing(signal: AbortSignal): Promise<boolean | undefined> {
    try {
      return await this.#host.preparingForShutdown(signal);
    } catch {
      // Not known is a fact for the machine.
      return undefined;
    }
  }
}
