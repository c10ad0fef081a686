import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { type Backoff, backoffMs } from '../../backoff.ts';
import { retryMs } from '../../cluster/backoff.ts';
import { ClusterError } from '../../cluster/errors.ts';
import { nodes, pods } from '../../cluster/objects.ts';
import { podsBoundTo } from '../../cluster/pods.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { type Budget, budgetName } from './budget.ts';
import { Candidates } from './candidates.ts';
import { DaemonSets } from './daemonsets.ts';
import { askAgainMs, type EvictionResult, resultOf } from './eviction.ts';
import { type Answer, Evictor } from './evictor.ts';
import { slowToEnd, stillEnding } from './grace.ts';
import type { Lane } from './lanes.ts';
import type { DrainOptions } from './options.ts';
import { type DrainPod, drainPodOf } from './pod.ts';
import { select, type Selection, skipsAtMs } from './selection.ts';
import { isSpent, type LaneRest, nextSteps, type Steps } from './steps.ts';
import { DrainView } from './view.ts';
import { namesOf, type Obstacle, obstaclesOf, refusalText, warningText } from './wording.ts';

export interface DrainContext {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'watch' | 'evict' | 'lastHeardMs'>;
  readonly nodeName: string;
  readonly options: DrainOptions;
  /** For how long others have been at it before: that counts for its time. */
  readonly ranForMs?: number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** For each answer to a request for an eviction; must not throw. */
  readonly onEviction?: ((result: EvictionResult) => void) | undefined;
  /** Each time that it changes; must not throw. */
  readonly onProgress?: ((progress: DrainProgress) => void) | undefined;
}

export interface DrainProgress {
  /** Pods that have to go and are there. */
  readonly left: number;
  /** Those that are gone, or no longer waited for. */
  readonly gone: number;
  readonly obstacles: readonly Obstacle[];
  readonly warnings: DrainWarnings;
}

/** One text of each for all pods. */
export interface DrainWarnings {
  /** What is lost with pods that go. */
  readonly loses?: string | undefined;
  /** Who may take longer to end than the drain waits, as of its first look. */
  readonly takesLong?: string | undefined;
}

export type DrainOutcome =
  /** A list has shown that nothing is left to evict, and the node is still cordoned. */
  | { readonly status: 'drained'; readonly gone: number }
  /** Nothing was evicted, and nothing will be while things are as they are. */
  | { readonly status: 'refused'; readonly why: string }
  | { readonly status: 'stuck'; readonly why: string; readonly obstacles: readonly Obstacle[] }
  /** Somebody has uncordoned the node: whatever is on it now, more may come. */
  | { readonly status: 'uncordoned' }
  /** By the caller's signal. */
  | { readonly status: 'stopped' };

/** However late an agent comes back, it sees whether the pods have gone meanwhile. */
const leastTimeMs = 30_000;

const retryBackoff: Backoff = { firstMs: 1_000, longestMs: 30_000 };

/** Answers that another try does not change. */
const hopeless: ReadonlySet<string> = new Set(['cluster/forbidden', 'cluster/invalid', 'cluster/not-found']);

/** One drain of one node, from the first look to the last. Evicts; never cordons, and deletes nothing. */
export class Drain {
  readonly #context: DrainContext;
  readonly #daemonSets: DaemonSets;
  readonly #bell = new Bell();
  readonly #view: DrainView;
  readonly #evictor: Evictor;
  readonly #candidates = new Candidates();
  readonly #rests = new Map<string, LaneRest>();
  readonly #asking = new Set<Promise<void>>();
  #selection: Selection | undefined;
  #takesLong: string | undefined;
  /** Last looks in a row that saw a pod which the watch has yet to show. */
  #behind = 0;
  /** Pods that such a look has seen: if the drain ends without success, they are why. */
  #newcomers: readonly DrainPod[] = [];
  #told = '';
  /** Of ours: nothing that a server can answer. */
  #defect: unknown;

  constructor(context: DrainContext) {
    this.#context = context;
    const { port, options } = context;
    this.#daemonSets = new DaemonSets(port);
    this.#evictor = new Evictor(port, options.gracePeriodSeconds);
    this.#view = new DrainView({ ...context, podSelector: options.podSelector, onChange: () => this.#bell.ring() });
  }

  /** To its end; once. Never rejects because of what the API server answers. */
  async run(signal: AbortSignal): Promise<DrainOutcome> {
    const { clock, options, ranForMs = 0 } = this.#context;
    const over = new AbortController();
    const expire = async (timeoutMs: number): Promise<void> => {
      await clock.sleep(Math.max(timeoutMs - ranForMs, Math.min(timeoutMs, leastTimeMs)), over.signal);
      over.abort();
    };
    if (options.timeoutMs !== undefined) void expire(options.timeoutMs);
    const working = AbortSignal.any([signal, over.signal]);
    const viewing = this.#view.run(working);
    try {
      const outcome = await this.#work(working);
      if (signal.aborted) return { status: 'stopped' };
      return outcome ?? this.#stuck('the time for the drain is over');
    } finally {
      over.abort();
      // Whoever is told that it has ended may rely on no request being under way.
      await Promise.all([viewing, ...this.#asking]);
    }
  }

  /** Undefined where `signal` ended it. */
  async #work(signal: AbortSignal): Promise<DrainOutcome | undefined> {
    const { clock, random } = this.#context;
    for (let failures = 0; !signal.aborted;) {
      try {
        const outcome = await this.#round(signal);
        if (outcome !== undefined) return outcome;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!(error instanceof ClusterError)) throw error;
        if (hopeless.has(error.code)) return this.#hopeless(error);
        failures += 1;
        await clock.sleep(retryMs(retryBackoff, failures, error, random), signal);
      }
    }
    return undefined;
  }

  /** One look at everything, what follows from it, and the wait for something new. */
  async #round(signal: AbortSignal): Promise<DrainOutcome | undefined> {
    const { clock, options } = this.#context;
    if (this.#defect !== undefined) throw this.#defect;
    const problem = this.#view.podsProblem;
    const seen = this.#view.pods();
    if (seen === undefined) {
      if (problem !== undefined && hopeless.has(problem.code)) return this.#hopeless(problem);
      await this.#rest(undefined, signal);
      return undefined;
    }
    const selection = await this.#select(seen, signal);
    // Before the first eviction; a pod that comes later and may not go is found by the last look.
    if (this.#selection === undefined && selection.refused.length > 0) {
      return { status: 'refused', why: refusalText(selection) };
    }
    if (this.#selection === undefined) this.#takesLong = slowToEnd(selection.evict, options);
    this.#selection = selection;
    this.#candidates.update(selection.evict);
    const nowMs = clock.monotonicMs();
    const budgets = this.#view.budgets();
    if (this.#candidates.size > 0 && budgets === 'awaited') {
      await this.#rest(this.#view.budgetsAwaitedUntilMs, signal);
      return undefined;
    }
    const known = budgets === 'awaited' ? undefined : budgets;
    const steps = nextSteps({ candidates: this.#candidates.all(), budgets: known, rests: this.#rests, options, nowMs });
    this.#take(steps, signal);
    this.#tell();
    if (steps.finished) return await this.#lastLook(signal);
    const skipAtMs = skipsAtMs(selection.evict, options, clock.nowMs()) - clock.nowMs() + nowMs;
    await this.#rest(Math.min(skipAtMs, steps.nextAtMs ?? Number.POSITIVE_INFINITY), signal);
    return undefined;
  }

  async #select(from: readonly DrainPod[], signal: AbortSignal): Promise<Selection> {
    const { options, clock } = this.#context;
    return select(from, { options, daemonSets: await this.#daemonSets.of(from, signal), nowMs: clock.nowMs() });
  }

  #take({ ask, ending, late }: Steps, signal: AbortSignal): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const pod of late) {
      this.#candidates.stand(pod, { is: 'given-up', obstacle: 'timed-out', why: this.#lateText(pod) }, nowMs);
    }
    for (const pod of ending) this.#candidates.stand(pod, { is: 'ending' }, this.#askedAtMs(pod));
    for (const { pod, lane } of ask) {
      this.#candidates.stand(pod, { is: 'asking' }, this.#askedAtMs(pod));
      const asking = this.#ask(pod, lane, signal)
        .catch((error: unknown) => {
          this.#defect ??= error;
        })
        .finally(() => {
          this.#asking.delete(asking);
          this.#bell.ring();
        });
      this.#asking.add(asking);
    }
  }

  /** Its time goes on where an earlier life has asked; what was before the drain does not count, whatever the clocks say. */
  #askedAtMs({ endAskedAtMs }: DrainPod): number {
    const { clock, ranForMs = 0 } = this.#context;
    const agoMs = endAskedAtMs === undefined ? 0 : clock.nowMs() - endAskedAtMs;
    return clock.monotonicMs() - Math.min(Math.max(0, agoMs), ranForMs);
  }

  #lateText(pod: DrainPod): string {
    const standing = this.#candidates.standingOf(pod);
    const seconds = (this.#context.options.podTimeoutMs ?? 0) / 1000;
    return `not gone within ${seconds} s: ${standing?.is === 'blocked' ? standing.why : 'it is still ending'}`;
  }

  async #ask(pod: DrainPod, lane: Lane, signal: AbortSignal): Promise<void> {
    const answered = await this.#evictor.evict(pod, signal);
    if (answered === undefined) return;
    this.#context.onEviction?.(resultOf(answered.answer));
    this.#judge(pod, lane, answered.answer, answered.why);
  }

  #judge(pod: DrainPod, lane: Lane, answer: Answer, why: string): void {
    const nowMs = this.#context.clock.monotonicMs();
    const budget = this.#budgetNow(lane);
    const rest = (forMs: number): void => {
      this.#rests.set(lane.key, { untilMs: nowMs + forMs, budgetVersion: budget?.resourceVersion });
    };
    switch (answer.next) {
      case 'gone':
        this.#candidates.leave(pod);
        return;
      case 'await-end':
        this.#candidates.stand(pod, { is: 'ending' }, nowMs);
        if (isSpent(lane.budget, budget)) rest(askAgainMs);
        return;
      case 'retry':
        this.#candidates.stand(pod, { is: 'blocked', obstacle: answer.obstacle, why }, nowMs);
        rest(answer.afterMs);
        return;
      case 'give-up':
        this.#candidates.stand(pod, { is: 'given-up', obstacle: answer.obstacle, why }, nowMs);
        return;
      default:
        answer satisfies never;
    }
  }

  #budgetNow({ budget }: Lane): Budget | undefined {
    return budget === undefined ? undefined : this.#view.budget(budgetName(budget));
  }

  /** All that can go is gone: is that so, by a list of this moment, and is the node still closed? */
  async #lastLook(signal: AbortSignal): Promise<DrainOutcome | undefined> {
    const { port, nodeName, options, clock, random } = this.#context;
    if (this.#candidates.size > 0) return this.#stuck('some pods cannot be evicted');
    const scope = { ...podsBoundTo(nodeName), labelSelector: options.podSelector };
    const listing = await port.list(pods, scope, drainPodOf, { signal });
    const { evict, refused } = await this.#select(listing.items, signal);
    if (refused.length > 0) return this.#stuck(`${namesOf(refused.map(({ pod }) => pod))} came and may not be evicted`);
    this.#newcomers = evict.filter((pod) => !this.#candidates.isGone(pod));
    if (this.#newcomers.length > 0) {
      this.#behind += 1;
      await clock.sleep(backoffMs(retryBackoff, this.#behind, random), signal);
      return undefined;
    }
    const { spec } = await port.get(nodes, { name: nodeName }, { signal });
    return spec?.unschedulable === true
      ? { status: 'drained', gone: this.#candidates.goneCount }
      : { status: 'uncordoned' };
  }

  #hopeless(error: ClusterError): DrainOutcome {
    return this.#selection === undefined ? { status: 'refused', why: error.message } : this.#stuck(error.message);
  }

  #stuck(why: string): DrainOutcome {
    const { obstacles, left } = this.#progress();
    const problem = this.#view.podsProblem;
    const blind = problem === undefined ? '' : `; the API server cannot be followed: ${problem.message}`;
    const again =
      this.#newcomers.length === 0
        ? ''
        : `; when all had gone, ${namesOf(this.#newcomers)} came: pods that tolerate the cordon come back, unless drain.podSelector leaves them out`;
    const ending = stillEnding(
      this.#candidates.all().map(({ pod }) => pod),
      this.#context.options,
    );
    const slow = ending === undefined ? '' : `; ${ending}`;
    return { status: 'stuck', why: `${why}, pods left: ${left}${slow}${again}${blind}`, obstacles };
  }

  #progress(): DrainProgress {
    const budgets = this.#view.budgets();
    return {
      left: this.#candidates.size,
      gone: this.#candidates.goneCount,
      obstacles: obstaclesOf(this.#candidates.all(), budgets === 'awaited' ? undefined : budgets),
      warnings: { loses: this.#selection && warningText(this.#selection), takesLong: this.#takesLong },
    };
  }

  #tell(): void {
    const progress = this.#progress();
    const told = JSON.stringify(progress);
    if (told === this.#told) return;
    this.#told = told;
    this.#context.onProgress?.(progress);
  }

  /** Until something has happened, or that moment of the monotonic clock. */
  async #rest(untilMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const over = new AbortController();
    const wake = async (forMs: number): Promise<void> => {
      await clock.sleep(forMs, over.signal);
      if (!over.signal.aborted) this.#bell.ring();
    };
    if (untilMs !== undefined && untilMs < Number.POSITIVE_INFINITY) {
      void wake(Math.max(0, untilMs - clock.monotonicMs()));
    }
    await this.#bell.wait(signal);
    over.abort();
  }
}
