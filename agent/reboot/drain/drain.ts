import { Bell } from '../../bell.ts';
import type { Clock, Random } from '../../clock.ts';
import { type Backoff, backoffMs } from '../../cluster/backoff.ts';
import { ClusterError } from '../../cluster/errors.ts';
import { budgets, type BudgetObject, nodes, pods, type PodObject } from '../../cluster/objects.ts';
import { podsBoundTo } from '../../cluster/pods.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { Watched } from '../../cluster/watch.ts';
import { type Budget, budgetName, budgetOf } from './budget.ts';
import { DaemonSets } from './daemonsets.ts';
import { type ObstacleCode, retryMs, type Verdict, verdictOf } from './eviction.ts';
import type { Lane } from './lanes.ts';
import type { DrainOptions } from './options.ts';
import { type DrainPod, drainPodOf } from './pod.ts';
import { select, type Selection, skipsAtMs } from './selection.ts';
import { type Candidate, isSpent, type LaneRest, nextSteps, type Standing, type Steps } from './steps.ts';
import { namesOf, type Obstacle, obstaclesOf, refusalText, warningText } from './wording.ts';

export interface DrainContext {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'watch' | 'evict' | 'lastHeardMs'>;
  readonly nodeName: string;
  readonly options: DrainOptions;
  readonly clock: Clock;
  readonly random: Random;
  /** Each time that it changes; must not throw. */
  readonly onProgress?: ((progress: DrainProgress) => void) | undefined;
}

export interface DrainProgress {
  /** Pods that have to go and are there. */
  readonly left: number;
  readonly gone: number;
  readonly obstacles: readonly Obstacle[];
  /** What is lost with pods that go; one text for all. */
  readonly warning: string | undefined;
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

const retryBackoff: Backoff = { firstMs: 1_000, maxMs: 30_000 };

/** Without a budget in view for so long, evictions begin all the same: the API server decides, the view only spares requests. */
const budgetsPatienceMs = 10_000;

/** Answers that another try does not change. */
const hopeless: ReadonlySet<string> = new Set(['cluster/forbidden', 'cluster/invalid', 'cluster/not-found']);

/** One drain of one node, from the first look to the last. Evicts; never cordons or deletes. */
export class Drain {
  readonly #context: DrainContext;
  readonly #daemonSets: DaemonSets;
  readonly #pods: Watched<PodObject, DrainPod>;
  readonly #budgets: Watched<BudgetObject, Budget>;
  readonly #bell = new Bell();
  readonly #candidates = new Map<string, Candidate>();
  /** UIDs that are gone by the server's word; the watch may be behind. */
  readonly #gone = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #rests = new Map<string, LaneRest>();
  readonly #asking = new Set<Promise<void>>();
  #selection: Selection | undefined;
  #unreachable: ClusterError | undefined;
  #budgetsUnknown = false;
  #told = '';

  constructor(context: DrainContext) {
    this.#context = context;
    const { port, nodeName, options, clock, random } = context;
    this.#daemonSets = new DaemonSets(port);
    const onChange = (): void => this.#bell.ring();
    this.#pods = new Watched<PodObject, DrainPod>({
      port,
      resource: pods,
      scope: { ...podsBoundTo(nodeName), labelSelector: options.podSelector },
      project: drainPodOf,
      onChange,
      onHealth: (problem) => {
        this.#unreachable = problem;
        onChange();
      },
      clock,
      random,
    });
    this.#budgets = new Watched<BudgetObject, Budget>({
      port,
      resource: budgets,
      scope: {},
      project: budgetOf,
      onChange,
      onHealth: (problem) => {
        this.#budgetsUnknown = problem !== undefined;
        onChange();
      },
      clock,
      random,
    });
  }

  /** To its end. Never rejects because of what the API server answers. */
  async run(signal: AbortSignal): Promise<DrainOutcome> {
    const { clock, options } = this.#context;
    const stop = new AbortController();
    const abort = (): void => stop.abort();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const endMs = options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + options.timeoutMs;
    const watching = [this.#pods.run(stop.signal), this.#budgets.run(stop.signal)];
    void this.#pods.whenSynced().then(() => this.#bell.ring());
    void this.#budgets.whenSynced().then(() => this.#bell.ring());
    try {
      const outcome = await this.#work(endMs, stop.signal);
      return signal.aborted ? { status: 'stopped' } : outcome;
    } finally {
      signal.removeEventListener('abort', abort);
      stop.abort();
      // Whoever is told that it has ended may rely on no request being under way.
      await Promise.all([...watching, ...this.#asking]);
    }
  }

  async #work(endMs: number, signal: AbortSignal): Promise<DrainOutcome> {
    const { clock } = this.#context;
    const budgetsByMs = clock.monotonicMs() + budgetsPatienceMs;
    for (let failures = 0; !signal.aborted;) {
      if (clock.monotonicMs() >= endMs) return this.#stuck('the time for the drain is over');
      if (!this.#pods.synced) {
        if (this.#unreachable !== undefined && hopeless.has(this.#unreachable.code)) {
          return { status: 'refused', why: this.#unreachable.message };
        }
        await this.#rest(endMs, signal);
        continue;
      }
      try {
        const outcome = await this.#round(budgetsByMs, endMs, signal);
        if (outcome !== undefined) return outcome;
        failures = 0;
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error;
        if (signal.aborted) break;
        if (hopeless.has(error.code)) return this.#stuck(error.message);
        failures += 1;
        await clock.sleep(
          Math.max(backoffMs(retryBackoff, failures, this.#context.random), error.retryAfterMs ?? 0),
          signal,
        );
      }
    }
    return { status: 'stopped' };
  }

  /** One look at everything, what follows from it, and the wait for something new. */
  async #round(budgetsByMs: number, endMs: number, signal: AbortSignal): Promise<DrainOutcome | undefined> {
    const { clock, options } = this.#context;
    const selection = await this.#select(this.#pods.values(), signal);
    // Before the first eviction; a pod that comes later and may not go is in the way like any other.
    if (this.#selection === undefined && selection.refused.length > 0) {
      return { status: 'refused', why: refusalText(selection) };
    }
    this.#selection = selection;
    this.#update(selection);
    const nowMs = clock.monotonicMs();
    const known = this.#budgets.synced && !this.#budgetsUnknown;
    if (this.#candidates.size > 0 && !known && !this.#budgetsUnknown && nowMs < budgetsByMs) {
      await this.#rest(Math.min(budgetsByMs, endMs), signal);
      return undefined;
    }
    const steps = nextSteps({
      candidates: [...this.#candidates.values()],
      budgets: known ? this.#budgets.values() : undefined,
      rests: this.#rests,
      options,
      nowMs,
    });
    this.#take(steps, signal);
    this.#tell();
    if (steps.finished) return await this.#finish(signal);
    const skipAtMs = skipsAtMs(selection.evict, options, clock.nowMs()) - clock.nowMs() + nowMs;
    await this.#rest(Math.min(endMs, skipAtMs, steps.nextAtMs ?? Number.POSITIVE_INFINITY), signal);
    return undefined;
  }

  async #select(from: readonly DrainPod[], signal: AbortSignal): Promise<Selection> {
    const { options, clock } = this.#context;
    return select(from, { options, daemonSets: await this.#daemonSets.of(from, signal), nowMs: clock.nowMs() });
  }

  /** Who has to go now, with what is known of those who had to go before. */
  #update({ evict }: Selection): void {
    const present = new Set(evict.map(({ uid }) => uid));
    for (const uid of this.#candidates.keys()) {
      if (!present.has(uid)) this.#leave(uid);
    }
    for (const pod of evict) {
      if (this.#gone.has(pod.uid)) continue;
      const before = this.#candidates.get(pod.uid);
      this.#candidates.set(pod.uid, { standing: { is: 'queued' }, askedAtMs: undefined, ...before, pod });
    }
  }

  #leave(uid: string): void {
    this.#candidates.delete(uid);
    this.#failures.delete(uid);
    this.#gone.add(uid);
  }

  #take({ ask, ending, late }: Steps, signal: AbortSignal): void {
    for (const pod of late) this.#stand(pod, { is: 'given-up', obstacle: 'timed-out', why: this.#lateText(pod) });
    for (const pod of ending) this.#stand(pod, { is: 'ending' });
    for (const { pod, lane } of ask) {
      this.#stand(pod, { is: 'asking' });
      const asking = this.#ask(pod, lane, signal).finally(() => {
        this.#asking.delete(asking);
        this.#bell.ring();
      });
      this.#asking.add(asking);
    }
  }

  #lateText(pod: DrainPod): string {
    const standing = this.#candidates.get(pod.uid)?.standing;
    const seconds = (this.#context.options.podTimeoutMs ?? 0) / 1000;
    const last = standing?.is === 'blocked' ? standing.why : 'its end has begun, and it is still there';
    return `not gone within ${seconds} s: ${last}`;
  }

  #stand(pod: DrainPod, standing: Standing): void {
    const before = this.#candidates.get(pod.uid);
    if (before === undefined) return;
    const askedAtMs = before.askedAtMs ?? this.#context.clock.monotonicMs();
    this.#candidates.set(pod.uid, { ...before, standing, askedAtMs });
  }

  async #ask(pod: DrainPod, lane: Lane, signal: AbortSignal): Promise<void> {
    const { port, options } = this.#context;
    const { uid } = pod;
    const { gracePeriodSeconds } = options;
    let refusal: ClusterError | undefined;
    try {
      await port.evict(pod, { preconditions: { uid }, gracePeriodSeconds, signal });
    } catch (error) {
      if (signal.aborted) return;
      refusal = asClusterError(error);
    }
    const failures = refusal?.code === 'cluster/failed' ? (this.#failures.get(uid) ?? 0) + 1 : 0;
    this.#failures.set(uid, failures);
    let verdict = verdictOf({ code: refusal?.code, retryAfterMs: refusal?.retryAfterMs, failures });
    if (verdict.next === 'look') verdict = await this.#look(pod, signal);
    this.#judge(pod, lane, verdict, refusal?.message ?? '');
  }

  /** After a conflict: is it another pod of that name? */
  async #look({ namespace, name, uid }: DrainPod, signal: AbortSignal): Promise<Verdict> {
    try {
      const { metadata } = await this.#context.port.get(pods, { namespace, name }, { signal });
      if (metadata.uid !== uid) return { next: 'gone' };
    } catch (error) {
      if (asClusterError(error).code === 'cluster/not-found') return { next: 'gone' };
    }
    return { next: 'retry', afterMs: retryMs, obstacle: 'no-answer' };
  }

  #judge(pod: DrainPod, lane: Lane, verdict: Verdict, why: string): void {
    switch (verdict.next) {
      case 'gone':
        this.#leave(pod.uid);
        return;
      case 'await-end': {
        this.#stand(pod, { is: 'ending' });
        const now = this.#budgetNow(lane);
        if (isSpent(lane.budget, now)) this.#restLane(lane, retryMs);
        return;
      }
      case 'retry':
        this.#block(pod, verdict.obstacle, why);
        this.#restLane(lane, verdict.afterMs);
        return;
      case 'give-up':
        this.#stand(pod, { is: 'given-up', obstacle: verdict.obstacle, why });
        return;
      case 'look':
        return;
      default:
        verdict satisfies never;
    }
  }

  #block(pod: DrainPod, obstacle: ObstacleCode, why: string): void {
    this.#stand(pod, { is: 'blocked', obstacle, why });
  }

  #restLane(lane: Lane, forMs: number): void {
    const untilMs = this.#context.clock.monotonicMs() + forMs;
    this.#rests.set(lane.key, { untilMs, budgetVersion: this.#budgetNow(lane)?.resourceVersion });
  }

  #budgetNow({ budget }: Lane): Budget | undefined {
    return budget === undefined ? undefined : this.#budgets.get(budgetName(budget));
  }

  /** All that can go is gone: is that so, by a list of this moment, and is the node still closed? */
  async #finish(signal: AbortSignal): Promise<DrainOutcome | undefined> {
    const { port, nodeName, options, clock } = this.#context;
    if (this.#candidates.size > 0) return this.#stuck('some pods cannot be evicted');
    const scope = { ...podsBoundTo(nodeName), labelSelector: options.podSelector };
    const listing = await port.list(pods, scope, drainPodOf, { signal });
    const { evict, refused } = await this.#select(listing.items, signal);
    if (refused.length > 0) return this.#stuck(`${namesOf(refused.map(({ pod }) => pod))} came and may not be evicted`);
    if (evict.some(({ uid }) => !this.#gone.has(uid))) {
      // The watch has yet to show it.
      await clock.sleep(retryBackoff.firstMs, signal);
      return undefined;
    }
    const { spec } = await port.get(nodes, { name: nodeName }, { signal });
    return spec?.unschedulable === true ? { status: 'drained', gone: this.#gone.size } : { status: 'uncordoned' };
  }

  #stuck(why: string): DrainOutcome {
    const { obstacles, left } = this.#progress();
    const reach =
      this.#unreachable === undefined ? '' : `; the API server cannot be followed: ${this.#unreachable.message}`;
    return { status: 'stuck', why: `${why}, ${left} pods left${reach}`, obstacles };
  }

  #progress(): DrainProgress {
    const candidates = [...this.#candidates.values()];
    return {
      left: candidates.length,
      gone: this.#gone.size,
      obstacles: obstaclesOf(candidates, this.#budgets.synced ? this.#budgets.values() : undefined),
      warning: this.#selection && warningText(this.#selection),
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
  async #rest(untilMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const over = new AbortController();
    const wake = async (): Promise<void> => {
      await clock.sleep(Math.max(0, untilMs - clock.monotonicMs()), over.signal);
      if (!over.signal.aborted) this.#bell.ring();
    };
    if (untilMs < Number.POSITIVE_INFINITY) void wake();
    await this.#bell.wait(signal);
    over.abort();
  }
}

function asClusterError(error: unknown): ClusterError {
  if (error instanceof ClusterError) return error;
  throw error;
}
