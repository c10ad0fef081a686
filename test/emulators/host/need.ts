import { Bell } from '../../../agent/bell.ts';
import type { Clock } from '../../../agent/clock.ts';
import type { NodetenderError } from '../../../agent/errors.ts';
import type { NeedSource, RebootNeed } from '../../../agent/host/port.ts';
import type { EmulatedHost } from './host.ts';

interface Wish {
  readonly sinceMs: number;
  readonly changedAtMonotonicMs: number;
  readonly writtenAtMs: number;
  readonly packages: readonly string[];
}

/** A sentinel without a file system: an emulated host's wish for a reboot, which a boot fulfils. */
export class EmulatedNeed implements NeedSource {
  /** While set, it is not known whether anything is wanted. */
  problem: NodetenderError | undefined;
  /** True: the wish is still there after a boot, as that of a file on a disk that nobody removes. */
  outlivesBoots = false;
  readonly #clock: Clock;
  readonly #bell = new Bell();
  #wish: Wish | undefined;

  constructor(host: EmulatedHost) {
    this.#clock = host.clock;
    host.subscribe((state) => {
      if (state === 'up' && !this.outlivesBoots) this.clear();
    });
  }

  /** A package run writes the sentinel, or writes it again. */
  want(packages: readonly string[] = []): void {
    const nowMs = this.#clock.nowMs();
    const sinceMs = this.#wish?.sinceMs ?? nowMs;
    this.#wish = { sinceMs, writtenAtMs: nowMs, changedAtMonotonicMs: this.#clock.monotonicMs(), packages };
    this.#bell.ring();
  }

  clear(): void {
    this.#wish = undefined;
    this.#bell.ring();
  }

  current(): RebootNeed | undefined {
    if (this.problem !== undefined) return undefined;
    if (this.#wish === undefined) return { wanted: false };
    const { sinceMs, writtenAtMs, changedAtMonotonicMs, packages } = this.#wish;
    return {
      wanted: true,
      kind: 'sentinel',
      sinceMs,
      settledForMs: this.#clock.monotonicMs() - changedAtMonotonicMs,
      packages,
      writtenAtMs,
    };
  }

  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      onChange();
      await this.#bell.wait(signal);
    }
  }
}
