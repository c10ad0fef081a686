import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { namedInhibitors } from '../../host/ability.ts';
import type { HostPort } from '../../host/port.ts';
import type { Blocker } from '../../reboot/state.ts';

export interface HostGateOptions {
  readonly host: HostPort;
  readonly nodeName: string;
  /** As the kubelet of the Node has reported it; undefined where there is no Node. */
  readonly reportedBootId: () => string | undefined;
  readonly clock: Clock;
}

/** What denies a reboot is seldom changed; once it has been, the condition on the Node goes soon. */
const askAgainMs = { allowed: 3_600_000, denied: 60_000 };
/** A denial that is worded another way each time must not be written each time. */
const sameWordsForMs = 3_600_000;

/** What the host itself has to say against its reboot. Asks no API server. */
export class HostGate {
  readonly #options: HostGateOptions;
  #asked: { readonly atMs: number; readonly denial: string | undefined } | undefined;
  #told: { readonly atMs: number; readonly denial: string } | undefined;

  constructor(options: HostGateOptions) {
    this.#options = options;
  }

  /** Why it would deny a reboot, whether or not one is wanted, as of a while ago at most; undefined: it would not. */
  async denial(signal: AbortSignal): Promise<string | undefined> {
    const nowMs = this.#options.clock.monotonicMs();
    const { atMs, denial: known } = this.#asked ?? { atMs: Number.NEGATIVE_INFINITY, denial: undefined };
    const isFresh = nowMs - atMs < (known === undefined ? askAgainMs.allowed : askAgainMs.denied);
    const denial = isFresh ? known : await this.#ask(signal);
    if (denial === undefined) this.#told = undefined;
    else if (this.#told === undefined || nowMs - this.#told.atMs >= sameWordsForMs)
      this.#told = { atMs: nowMs, denial };
    return this.#told?.denial;
  }

  /** Why it may not be rebooted now. Rejects only when `signal` aborts. */
  async blockers(signal: AbortSignal): Promise<readonly Blocker[]> {
    const { host, nodeName, reportedBootId } = this.#options;
    try {
      // An agent that was given the name of another machine's Node, as on a desk, would drain that one and reboot this one.
      if ((await host.boot()).bootId !== reportedBootId()) {
        return [
          { gate: 'host', reason: `this host is not the one that Node ${nodeName} reports: their boot IDs differ` },
        ];
      }
      const denial = await this.#ask(signal);
      if (denial !== undefined) return [{ gate: 'host', reason: denial }];
      const inhibitors = await host.inhibitors(signal);
      return inhibitors.length === 0 ? [] : [{ gate: 'inhibitors', reason: namedInhibitors(inhibitors) }];
    } catch (error) {
      signal.throwIfAborted();
      return [{ gate: 'host', reason: messageOf(error) }];
    }
  }

  async #ask(signal: AbortSignal): Promise<string | undefined> {
    const { host, clock } = this.#options;
    const ability = await host.canReboot(signal);
    const denial = ability.able ? undefined : ability.text;
    this.#asked = { atMs: clock.monotonicMs(), denial };
    return denial;
  }
}
