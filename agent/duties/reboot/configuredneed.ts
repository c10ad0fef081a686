import { isDeepStrictEqual } from 'node:util';
import { Bell } from '../../bell.ts';
import type { SentinelSettings } from '../../host/connect.ts';
import type { NodetenderError } from '../../errors.ts';
import type { NeedSource, RebootNeed } from '../../host/port.ts';

export interface ConfiguredNeedOptions {
  readonly settings: () => SentinelSettings;
  readonly connect: (settings: SentinelSettings) => NeedSource;
}

/** What asks for reboots by the configuration of this moment: another path or command takes the place of the one before. */
export class ConfiguredNeed implements NeedSource {
  readonly #options: ConfiguredNeedOptions;
  readonly #changed = new Bell();
  #settings: SentinelSettings;
  #source: NeedSource;

  constructor(options: ConfiguredNeedOptions) {
    this.#options = options;
    this.#settings = options.settings();
    this.#source = options.connect(this.#settings);
  }

  /** Undefined also until the new one has been looked at. */
  current(): RebootNeed | undefined {
    return this.#isReplaced() ? undefined : this.#source.current();
  }

  get problem(): NodetenderError | undefined {
    return this.#source.problem;
  }

  /** To be called when the configuration may have changed. */
  look(): void {
    if (this.#isReplaced()) this.#changed.ring();
  }

  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const over = new AbortController();
      const following = this.#source.follow(onChange, AbortSignal.any([signal, over.signal]));
      while (!signal.aborted && !this.#isReplaced()) await this.#changed.wait(signal);
      over.abort();
      await following;
      if (signal.aborted) return;
      this.#settings = this.#options.settings();
      this.#source = this.#options.connect(this.#settings);
      onChange();
    }
  }

  #isReplaced(): boolean {
    return !isDeepStrictEqual(this.#settings, this.#options.settings());
  }
}
