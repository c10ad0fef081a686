import type { Clock } from '../clock.ts';
import { defaultConfig } from '../config/load.ts';
import type { Logger } from '../observe/log.ts';
import { keepConfig, pointToCopy, type Recalled, recallConfig, stateDirectoryOf } from './configcopy.ts';

export interface ConfigKeeperOptions {
  /** Of the configuration file. */
  readonly path: string;
  /** Where the command line says that state is kept, which then holds for the next life, too; undefined: the file says it. */
  readonly givenDirectory: string | undefined;
  /** Default: that of a configuration which names none. */
  readonly usualDirectory?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

interface InForce {
  readonly stateDirectory: string;
  readonly text: string;
  /** Wall clock. */
  readonly acceptedAtMs: number;
}

/** Far more often than a copy grows too old, and next to nothing for a disk. */
const RENEW_EVERY_MS = 24 * 3_600_000;

/** Keeps the configuration in force for the agent's next life, and finds what the life before has kept. */
export class ConfigKeeper {
  readonly #options: ConfigKeeperOptions;
  readonly #usualDirectory: string;
  #inForce: InForce | undefined;
  /** One write after the other: the last to be told is the last to be written. */
  #writing = Promise.resolve();

  constructor(options: ConfigKeeperOptions) {
    this.#options = options;
    this.#usualDirectory = options.usualDirectory ?? defaultConfig.stateDirectory;
  }

  /** What was in force last, in place of a file that is refused (with that text) or cannot be read. Never rejects. */
  async recall(refused: string | undefined): Promise<Recalled> {
    const { path, givenDirectory, clock } = this.#options;
    const places = givenDirectory === undefined ? [stateDirectoryOf(refused), this.#usualDirectory] : [givenDirectory];
    const directories = new Set(places.filter((place) => place !== undefined));
    return await recallConfig([...directories], path, clock.nowMs());
  }

  /** Never rejects: without a copy the agent works as well, until it starts with a bad file. */
  async keep(inForce: InForce): Promise<void> {
    this.#inForce = inForce;
    await this.#write(inForce);
  }

  /** Renews the copy until `signal` aborts; ends with the last write. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(RENEW_EVERY_MS, signal);
      if (!signal.aborted && this.#inForce !== undefined) await this.#write(this.#inForce);
    }
    await this.#writing;
  }

  async #write(inForce: InForce): Promise<void> {
    const before = this.#writing;
    const write = async (): Promise<void> => {
      await before;
      await this.#writeCopy(inForce);
    };
    this.#writing = write();
    await this.#writing;
  }

  async #writeCopy({ stateDirectory, text, acceptedAtMs }: InForce): Promise<void> {
    const { path, givenDirectory, clock, log } = this.#options;
    try {
      await keepConfig(stateDirectory, { path, text, acceptedAtMs, inForceAtMs: clock.nowMs() });
    } catch (error) {
      log.error({ path, error }, 'the configuration in force could not be kept for the next start');
      return;
    }
    if (givenDirectory !== undefined) return;
    try {
      await pointToCopy({ usual: this.#usualDirectory, keptIn: stateDirectory, path });
    } catch (error) {
      log.warn(
        { path, error },
        'the configuration that is kept is found only if the file can be read: use --state-dir',
      );
    }
  }
}
