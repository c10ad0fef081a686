import type { Clock } from '../../clock.ts';
import { isNodetenderError, messageOf } from '../../errors.ts';
import type { HostPort } from '../../host/port.ts';
import type { RebootCall } from '../../reboot/state.ts';

/** The order to reboot, and what has become of it as far as the host tells. */
export class RebootOrder {
  readonly #host: Pick<HostPort, 'reboot' | 'preparingForShutdown'>;
  readonly #clock: Clock;
  #call: RebootCall = { kind: 'none' };
  #atMs = 0;

  constructor({ host, clock }: { host: Pick<HostPort, 'reboot' | 'preparingForShutdown'>; clock: Clock }) {
    this.#host = host;
    this.#clock = clock;
  }

  facts(): RebootCall {
    if (this.#call.kind !== 'sent') return this.#call;
    return { kind: 'sent', sentAgoMs: this.#clock.monotonicMs() - this.#atMs };
  }

  /** `unknown`: an earlier life may have given it. */
  forget(kind: 'none' | 'unknown'): void {
    this.#call = { kind };
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
