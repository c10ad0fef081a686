import type { Clock, Random } from '../clock.ts';
import type { Note } from '../cluster/events.ts';
import type { NodeView } from '../cluster/node.ts';
import type { KubernetesPort } from '../cluster/port.ts';
import type { Config } from '../config/load.ts';
import type { EventReason } from '../eventreasons.ts';
import { Exclusions } from './eraser/exclusions.ts';
import { ImageLists } from './eraser/imagelists.ts';
import type { Rule } from '../images/rules.ts';
import type { Report } from '../images/report.ts';
import type { StateFileSystem } from '../images/statefile.ts';
import { exclusionsUnheard, type Obstacle } from '../node/obstacle.ts';
import type { Logger } from '../observe/log.ts';
import { imageListPolicy } from '../policies.ts';
import type { Gate } from './gate.ts';
import type { RunRequest } from './runs.ts';

export interface EraserDutyOptions {
  readonly port: KubernetesPort;
  readonly nodeName: string;
  /** The agent's own. */
  readonly namespace: string;
  readonly config: () => Config;
  readonly gate: Gate;
  readonly node: () => NodeView | undefined;
  readonly run: (request: RunRequest) => Promise<Report | undefined>;
  readonly tell: (note: Note) => void;
  /** A Warning about this Node. */
  readonly warn: (reason: EventReason, action: string, note: string) => void;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Of the state directory. */
  readonly fileSystem?: StateFileSystem | undefined;
}

const none: readonly Rule[] = [];

/** Silence is a matter of time: nobody rings when it has lasted too long. Asks nothing of anybody. */
const LOOK_EVERY_MS = 2_000;

/** Where Eraser's users keep their lists, beside the agent's own namespace. */
const SYSTEM_NAMESPACE = 'kube-system';

/** Eraser's objects, unchanged: what its exclusion lists name stays, and its ImageLists are run. */
export class EraserDuty {
  readonly #options: EraserDutyOptions;
  readonly #exclusions: Exclusions;
  readonly #imageLists: ImageLists;
  /** The last answer of `withExclusions`, and what it was made of. */
  #merged: { readonly from: Config; readonly keep: readonly Rule[]; readonly config: Config } | undefined;

  private constructor(options: EraserDutyOptions, exclusions: Exclusions) {
    const { config, run } = options;
    this.#options = options;
    this.#exclusions = exclusions;
    this.#imageLists = new ImageLists({
      ...options,
      settings: () => ({ filter: config().cluster.nodeFilter, timeoutMs: config().cluster.imageList.timeoutMs }),
      clean: async ({ subject, rules, isWanted, withdrawn }) =>
        await run({
          trigger: 'imagelist',
          subject,
          withdrawn,
          policy: () => imageListPolicy(this.withExclusions(config()).images, isWanted() ? rules : []),
        }),
    });
    this.#look();
  }

  /** Begins with the exclusion lists of the agent's life before. */
  static async open(options: EraserDutyOptions): Promise<EraserDuty> {
    const { port, namespace, config, warn, log, clock, random, fileSystem } = options;
    let duty: EraserDuty | undefined;
    const exclusions = await Exclusions.open({
      port,
      namespaces: config().cluster.excludeNamespaces ?? [namespace, SYSTEM_NAMESPACE],
      directory: config().stateDirectory,
      onProblem: (configMap, problem) => {
        if (problem === undefined) {
          log.info({ configMap }, 'exclusion list is no longer refused');
          return;
        }
        const { why, hasLastGood } = problem;
        const meanwhile = hasLastGood
          ? 'its last good content stays in force'
          : 'no good content of it is known, and nothing is removed until it is mended or deleted';
        log.error({ configMap, reason: why }, `exclusion list refused; ${meanwhile}`);
        warnOfList(warn, configMap, why);
      },
      onHealth: (of, problem) => {
        if (problem === undefined) {
          log.info({ namespace: of }, 'exclusion lists are followed again');
          return;
        }
        const { error, wasRead } = problem;
        const meanwhile = wasRead
          ? 'what was known stays in force for cluster.unreachableLimit'
          : 'nothing is removed until they are read';
        log.warn({ namespace: of, error }, `exclusion lists cannot be followed; ${meanwhile}`);
      },
      onSaveProblem: (error) => {
        if (error === undefined) log.info('last good content of exclusion lists is saved again');
        else log.error({ error }, 'last good content of exclusion lists is not saved, and ends with the agent');
      },
      onChange: () => {
        if (duty !== undefined) duty.#look();
      },
      clock,
      random,
      fileSystem,
    });
    if (exclusions.lost !== undefined) {
      log.error(
        { reason: exclusions.lost },
        'last good content of exclusion lists lost; one that is broken now stops all cleaning',
      );
    }
    duty = new EraserDuty(options, exclusions);
    return duty;
  }

  /** Until `signal` aborts and what is under way has ended. */
  async work(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#exclusions.run(signal), this.#imageLists.run(signal), this.#keepLooking(signal)]);
  }

  /** To be called when the Node changes. */
  nodeChanged(): void {
    // There may have been no Node yet to tell it about; what was told is not told again.
    for (const [configMap, problem] of this.#exclusions.problems) warnOfList(this.#options.warn, configMap, problem);
    this.#imageLists.nodeChanged();
  }

  /** The configuration with what the exclusion lists name among what is kept. */
  withExclusions(config: Config): Config {
    const excluded = this.#exclusions.current();
    // The gate is closed then, and nothing is removed.
    const keep = excluded.known ? excluded.rules : none;
    if (this.#merged?.from === config && this.#merged.keep === keep) return this.#merged.config;
    const images = { ...config.images, keep: [...config.images.keep, ...keep] };
    this.#merged = { from: config, keep, config: { ...config, images } };
    return this.#merged.config;
  }

  async #keepLooking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(LOOK_EVERY_MS, signal);
      this.#look();
    }
  }

  #look(): void {
    this.#options.gate.set('exclusion lists', this.#obstacle());
  }

  #obstacle(): Obstacle | undefined {
    const excluded = this.#exclusions.current();
    if (!excluded.known) return { code: 'exclusions-unknown', reason: excluded.why };
    const { unreachableLimitMs } = this.#options.config().cluster;
    return exclusionsUnheard(this.#exclusions.unheard(unreachableLimitMs), unreachableLimitMs);
  }
}

function warnOfList(warn: EraserDutyOptions['warn'], configMap: string, problem: string): void {
  warn('ExclusionListRefused', 'ReadExclusionList', `exclusion list ${configMap} is refused: ${problem}`);
}
