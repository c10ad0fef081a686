import type { Clock, Random } from '../../clock.ts';
import type { ClusterError } from '../../cluster/errors.ts';
import { type BudgetObject, budgets, type PodObject, pods } from '../../cluster/objects.ts';
import { podsBoundTo } from '../../cluster/pods.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { Watched } from '../../cluster/watch.ts';
import { type Budget, budgetOf } from './budget.ts';
import { type DrainPod, drainPodOf } from './pod.ts';

export interface DrainViewOptions {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  readonly nodeName: string;
  readonly podSelector: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Something here has changed; must not throw. */
  readonly onChange: () => void;
}

/** Without them evictions begin all the same after so long: the API server decides, knowing them only spares requests. */
const budgetsPatienceMs = 10_000;

/** What a drain sees of the cluster: the pods of its node and everybody's budgets, for as long as it lasts. */
export class DrainView {
  readonly #pods: Watched<PodObject, DrainPod>;
  readonly #budgets: Watched<BudgetObject, Budget>;
  readonly #options: DrainViewOptions;
  readonly #problems: { pods?: ClusterError | undefined; budgets?: ClusterError | undefined } = {};
  #budgetsUntilMs = 0;

  constructor(options: DrainViewOptions) {
    this.#options = options;
    const { port, nodeName, podSelector, clock, random, onChange } = options;
    const health =
      (of: 'pods' | 'budgets') =>
      (problem: ClusterError | undefined): void => {
        this.#problems[of] = problem;
        onChange();
      };
    const shared = { port, onChange, clock, random };
    this.#pods = new Watched<PodObject, DrainPod>({
      ...shared,
      resource: pods,
      scope: { ...podsBoundTo(nodeName), labelSelector: podSelector },
      project: drainPodOf,
      onHealth: health('pods'),
    });
    this.#budgets = new Watched<BudgetObject, Budget>({
      ...shared,
      resource: budgets,
      scope: {},
      project: budgetOf,
      onHealth: health('budgets'),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, onChange } = this.#options;
    this.#budgetsUntilMs = clock.monotonicMs() + budgetsPatienceMs;
    // A list without anything in it changes nothing, and is news.
    void this.#pods.whenSynced().then(onChange);
    void this.#budgets.whenSynced().then(onChange);
    await Promise.all([this.#pods.run(signal), this.#budgets.run(signal)]);
  }

  /** Undefined before the first list. */
  pods(): DrainPod[] | undefined {
    return this.#pods.synced ? this.#pods.values() : undefined;
  }

  /** Why its pods cannot be followed at the moment. */
  get podsProblem(): ClusterError | undefined {
    return this.#problems.pods;
  }

  /** Undefined where they cannot be followed, by a failure or for want of permission. */
  budgets(): Budget[] | undefined | 'awaited' {
    if (this.#problems.budgets !== undefined) return undefined;
    if (this.#budgets.synced) return this.#budgets.values();
    return this.#options.clock.monotonicMs() < this.#budgetsUntilMs ? 'awaited' : undefined;
  }

  /** Monotonic time. */
  get budgetsAwaitedUntilMs(): number {
    return this.#budgetsUntilMs;
  }

  budget(name: string): Budget | undefined {
    return this.#budgets.get(name);
  }
}
