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
  /** When a life before knew that it was in force; wall clock. Default: not known. */
  readonly inForceAtMs?: number | undefined;
}

/** Far more often than a copy grows too old, and next to nothing for a disk. */
const RENEW_AFTER_MS = 24 * 3_600_000;

/** A copy made before the clock was set is of decades ago, or to come: an agent may begin with its host, and that without a clock of its own. */
const LOOK_EVERY_MS = 10 * 60_000;

/** For so long a clock may have yet to be set, and a life before that knew a later time is believed; after that it is that life's clock that was wrong. */
const RECALLED_FOR_MS = 24 * 3_600_000;

/** Keeps the configuration in force for the agent's next life, and finds what the life before has kept. */
export class ConfigKeeper {
  readonly #options: ConfigKeeperOptions;
  readonly #usualDirectory: string;
  /** Of this life: another one that the file names counts from the next life on. */
  #ownDirectory: string | undefined;
  /** Monotonic clock. */
  readonly #bornAtMs: number;
  /** As the life before has stamped its last copy. */
  #recalledMs: number | undefined;
  #inForce: (InForce & { readonly inForceAtMs: number }) | undefined;
  /** One write after the other: the last to be told is the last to be written. */
  #writing = Promise.resolve();

  constructor(options: ConfigKeeperOptions) {
    this.#options = options;
    this.#usualDirectory = options.usualDirectory ?? defaultConfig.stateDirectory;
    this.#bornAtMs = options.clock.monotonicMs();
  }

  /** What was in force last, in place of a file that is refused (with that text) or cannot be read. Never rejects. */
  async recall(refused: string | undefined): Promise<Recalled> {
    const { path, givenDirectory, clock } = this.#options;
    const places = givenDirectory === undefined ? [stateDirectoryOf(refused), this.#usualDirectory] : [givenDirectory];
    const directories = new Set(places.filter((place) => place !== undefined));
    return await recallConfig([...directories], path, clock.nowMs());
  }

  /**
   * The first to be kept is what this life begins with. Never rejects: without a copy the agent works as well, until it starts with
   * a bad file.
   */
  async keep(inForce: InForce): Promise<void> {
    this.#ownDirectory ??= inForce.stateDirectory;
    await this.#write(inForce);
  }

  /** Renews the copy until `signal` aborts; ends with the last write. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      const inForce = this.#inForce;
      if (signal.aborted || inForce === undefined) continue;
      if (this.#isOutdated(inForce.inForceAtMs)) await this.#write({ ...inForce, inForceAtMs: undefined });
    }
    await this.#writing;
  }

  #isOutdated(stampMs: number): boolean {
    const { clock } = this.#options;
    const ageMs = clock.nowMs() - stampMs;
    if (ageMs >= RENEW_AFTER_MS) return true;
    const isBelieved = stampMs === this.#recalledMs && clock.monotonicMs() - this.#bornAtMs < RECALLED_FOR_MS;
    return ageMs <= -RENEW_AFTER_MS && !isBelieved;
  }

  async #write(inForce: InForce): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    if (inForce.inForceAtMs !== undefined) this.#recalledMs = inForce.inForceAtMs;
    // What has not been set yet says nothing against what was known.
    const known = { ...inForce, inForceAtMs: Math.max(nowMs, inForce.inForceAtMs ?? nowMs) };
    this.#inForce = known;
    const before = this.#writing;
    const write = async (): Promise<void> => {
      await before;
      const keptIn = await this.#writeCopy(known);
      if (keptIn !== undefined && this.#options.givenDirectory === undefined) await this.#pointTo(keptIn);
    };
    this.#writing = write();
    await this.#writing;
  }

  /** Gives the directory that has it; undefined: none has. */
  async #writeCopy({ stateDirectory, text, acceptedAtMs, inForceAtMs }: InForce): Promise<string | undefined> {
    const { path, log } = this.#options;
    // Kept nowhere, it would leave the one before it to the next life.
    for (const directory of new Set([stateDirectory, this.#ownDirectory ?? stateDirectory])) {
      try {
        await keepConfig(directory, { path, text, acceptedAtMs, inForceAtMs });
        return directory;
      } catch (error) {
        log.error({ path, directory, error }, 'the configuration in force could not be kept there for the next start');
      }
    }
    return undefined;
  }

  async #pointTo(keptIn: string): Promise<void> {
    const { path, log } = this.#options;
    const lost = 'the configuration that is kept is found only if the file can be read: use --state-dir';
    try {
      const other = await pointToCopy({ usual: this.#usualDirectory, keptIn, path });
      if (other !== undefined) log.warn({ path, keptIn, directory: this.#usualDirectory, hasThatOf: other }, lost);
    } catch (error) {
      log.warn({ path, keptIn, error }, lost);
    }
  }
}
