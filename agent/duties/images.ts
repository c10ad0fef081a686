import { backoffMs } from '../backoff.ts';
import type { Clock, Random } from '../clock.ts';
import type { Config } from '../config/load.ts';
import { NodetenderError } from '../errors.ts';
import { type DiskUsage, measureDisk } from '../host/disk.ts';
import { Gatherer, type UseSource } from '../images/gather.ts';
import type { History } from '../images/history.ts';
import { type Inventory, nameOf } from '../images/inventory.ts';
import { paceOf } from '../images/pace.ts';
import { plan } from '../images/policy.ts';
import type { Report } from '../images/report.ts';
import { acquireRunLock } from '../images/runlock.ts';
import { runCleaning } from '../images/runner.ts';
import { sampleUse } from '../images/sampler.ts';
import type { RunTimer } from '../images/timer.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { agentPolicy } from '../policies.ts';
import type { RuntimePort } from '../runtime/port.ts';
import type { Gate } from './gate.ts';
import { type RunObserver, type RunRequest, Runs } from './runs.ts';
import { keepSchedule } from './schedule.ts';
import { watchDisk } from './watermark.ts';

export interface ImageDutyOptions {
  /** The configuration in force at this moment. */
  readonly config: () => Config;
  readonly port: RuntimePort;
  readonly history: History;
  readonly timer: RunTimer;
  /** Uses that the runtime does not know of. */
  readonly uses: readonly UseSource[];
  readonly gate: Gate;
  readonly observer: RunObserver | undefined;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

/** While the runtime is away it is looked for more often than use is sampled: what is used meanwhile nobody sees. */
const SAMPLE_RETRY = { firstMs: 5_000, longestMs: 300_000 };
/** Without a limit the disk is measured for the metrics alone. */
const MEASURE_EVERY_MS = 60_000;

/** What the last looks at the node and its disk found; undefined before the first. */
export interface ImageFacts {
  readonly images: number | undefined;
  readonly imageBytes: number | undefined;
  readonly diskUsedPercent: number | undefined;
}

/** The agent's care for images: sampling their use, and runs by schedule, watermark and request. */
export class ImageDuty {
  readonly #options: ImageDutyOptions;
  readonly #signal: AbortSignal;
  readonly #gatherer: Gatherer;
  readonly #runs: Runs;
  #failedSamples = 0;
  #saveProblem: string | undefined;
  #imagesPath: string | undefined;
  #facts: ImageFacts = { images: undefined, imageBytes: undefined, diskUsedPercent: undefined };

  /** Runs end after the calls in flight once `signal` aborts. */
  constructor(options: ImageDutyOptions, signal: AbortSignal) {
    const { config, port, history, clock, log, metrics, gate, observer, uses } = options;
    this.#options = options;
    this.#signal = signal;
    this.#gatherer = new Gatherer({ port, history, clock, sources: uses });
    const lock = () => acquireRunLock({ directory: config().stateDirectory, clock });
    this.#runs = new Runs({
      run: (request, whileAllowed) => this.#clean(request, whileAllowed),
      observer,
      gate,
      lock,
      clock,
      log,
      metrics,
      signal,
    });
  }

  /** Works until the signal aborts and the run under way has ended. Rejects only with a defect. */
  async work(): Promise<void> {
    const { config, history, timer, gate, metrics, log, clock, random } = this.#options;
    const everyMs = (): number =>
      this.#failedSamples === 0
        ? config().images.sampleEveryMs
        : Math.min(config().images.sampleEveryMs, backoffMs(SAMPLE_RETRY, this.#failedSamples, random));
    const onFailure = (error: unknown): void => {
      this.#failedSamples += 1;
      log[this.#failedSamples === 1 ? 'warn' : 'debug']({ error }, 'use of images could not be sampled');
    };
    const onSample = (inventory: Inventory): void => this.#sampled(inventory);
    await Promise.all([
      sampleUse({ gatherer: this.#gatherer, history, clock, everyMs, onSample, onFailure }, this.#signal),
      keepSchedule(
        {
          timer,
          isEnabled: () => config().images.enabled,
          run: () => this.request({ trigger: 'schedule' }),
          onNextRun: (atMs) => metrics.nextRun(atMs),
          clock,
          random,
          log,
        },
        this.#signal,
      ),
      watchDisk(
        {
          measure: () => this.#measureDisk(),
          // While the gate is closed a run would only wait, and the disk would not be measured meanwhile.
          startAbovePercent: () =>
            config().images.enabled && gate.obstacle === undefined
              ? config().images.disk?.startAbovePercent
              : undefined,
          checkEveryMs: () => config().images.disk?.checkEveryMs ?? MEASURE_EVERY_MS,
          onMeasured: (disk) => {
            this.#facts = { ...this.#facts, diskUsedPercent: disk.usedPercent };
            metrics.disk(disk);
          },
          run: () => this.request({ trigger: 'watermark' }),
          clock,
          log,
        },
        this.#signal,
      ),
    ]);
    await this.#runs.ended();
  }

  /** A run now, or after the one under way. */
  async request(request: RunRequest): Promise<Report | undefined> {
    return await this.#runs.request(request);
  }

  get facts(): ImageFacts {
    return this.#facts;
  }

  async #clean({ trigger, dryRun = false, policy }: RunRequest, whileAllowed: AbortSignal): Promise<Report> {
    const { config, port, history, clock, random, metrics, log } = this.#options;
    const stopBelowPercent = trigger === 'watermark' ? config().images.disk?.stopBelowPercent : undefined;
    const report = await runCleaning({
      trigger,
      dryRun,
      port,
      gatherer: this.#gatherer,
      history,
      policy: policy ?? (() => agentPolicy(config().images, trigger)),
      pace: paceOf(config().images.pace),
      clock,
      random,
      signal: whileAllowed,
      disk: {
        measure: () => this.#measureDisk(),
        ...(stopBelowPercent === undefined ? {} : { stopBelowPercent }),
      },
      onRemoved: ({ image, code, reason }) => {
        const { id, sizeBytes } = image;
        log.info({ trigger, id, image: nameOf(image), sizeBytes, code, reason }, 'image removed');
      },
    });
    this.#tellSaved();
    // What is left, for the metrics: the plan of the report is that of the run's beginning.
    if (!this.#signal.aborted) {
      await this.#gatherer.gather(this.#signal).then(
        (inventory) => this.#sampled(inventory),
        () => metrics.planned({ ...report.plan, remove: [] }),
      );
    }
    return report;
  }

  #sampled(inventory: Inventory): void {
    const { config, history, metrics, log } = this.#options;
    if (this.#failedSamples > 0) log.info('use of images is sampled again');
    this.#failedSamples = 0;
    for (const { reference, why } of inventory.unresolved) {
      log.warn({ reference, reason: why }, 'a use could not be resolved; nothing is removed meanwhile');
    }
    const imageBytes = inventory.images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    this.#facts = { ...this.#facts, images: inventory.images.length, imageBytes };
    metrics.planned(plan(inventory, agentPolicy(config().images, 'schedule'), inventory.takenAtMs));
    metrics.history(history.size, history.problem === undefined);
    this.#tellSaved();
  }

  /** Once when the history can no longer be written, once when it can again. */
  #tellSaved(): void {
    const { history, log } = this.#options;
    const problem = history.problem?.message;
    if (problem === this.#saveProblem) return;
    this.#saveProblem = problem;
    if (problem === undefined) log.info('image history is written again');
    else log.error({ error: history.problem }, 'image history is not kept over a restart');
  }

  async #measureDisk(): Promise<DiskUsage> {
    const { config, port } = this.#options;
    const configured = config().images.disk?.path;
    if (configured !== undefined) return await measureDisk(configured);
    this.#imagesPath ??= (await port.imageFilesystems(this.#signal))[0]?.mountpoint;
    if (this.#imagesPath === undefined) {
      throw new NodetenderError(
        'host/no-statfs',
        'the runtime names no file system for its images. Give the path of a directory on it as images.disk.path.',
      );
    }
    return await measureDisk(this.#imagesPath);
  }
}
