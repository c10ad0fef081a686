import type { Clock, Random } from '../clock.ts';
import type { ClusterError } from '../cluster/errors.ts';
import { controlConfigMap, nodeAnnotations, stateLabel } from '../cluster/names.ts';
import { type NodeView, OwnNode } from '../cluster/node.ts';
import { PodsOfNode, type PodView } from '../cluster/pods.ts';
import type { KubernetesPort } from '../cluster/port.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Readiness } from '../observe/readiness.ts';
import { PauseView } from './pauseview.ts';

export interface ClusterViewOptions {
  readonly port: Pick<KubernetesPort, 'list' | 'watch' | 'lastHeardMs'>;
  readonly nodeName: string;
  /** The agent's own. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly onChange: () => void;
}

const OBSTACLE = 'Kubernetes API';

/** What a node says of its reboot while a pause still takes it back. */
const outOfService: ReadonlySet<string> = new Set(['cordoned', 'draining', 'rebooting']);

/** What the cluster says that concerns this node: its Node, the pods bound to it, and whether all are to pause. */
export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #node: OwnNode;
  readonly #pods: PodsOfNode;
  readonly #pause: PauseView;
  readonly #problems = new Map<string, ClusterError>();
  #podsLeave = false;
  #podsChangedAtMs: number;

  constructor(options: ClusterViewOptions) {
    this.#options = options;
    const { nodeName, namespace, readiness, clock } = options;
    this.#podsChangedAtMs = clock.monotonicMs();
    this.#node = new OwnNode(nodeName, this.#following('the Node'));
    this.#pods = new PodsOfNode(nodeName, {
      ...this.#following('its pods'),
      onChange: (change) => {
        this.#podsChangedAtMs = clock.monotonicMs();
        if (change.type === 'deleted' || change.value.terminating) this.#podsLeave = true;
        options.onChange();
      },
    });
    this.#pause = new PauseView(namespace, this.#following(`ConfigMap ${namespace}/${controlConfigMap}`));
    readiness.set(OBSTACLE, 'not reached yet');
  }

  /** Follows until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const followed = [this.#node, this.#pods, this.#pause];
    const known = async (): Promise<void> => {
      await Promise.all(followed.map((watched) => watched.whenSynced()));
      this.#options.log.info({ pods: this.#pods.values().length }, 'cluster is known');
      this.#tellHealth();
    };
    void known();
    const isOutOfService = (): boolean => outOfService.has(this.node?.labels.get(stateLabel) ?? '');
    await Promise.all([this.#node.run(signal), this.#pods.run(signal), this.#pause.run(isOutOfService, signal)]);
  }

  /** Undefined while there is no such Node, or none has been read yet. */
  get node(): NodeView | undefined {
    return this.#node.current;
  }

  /** Undefined until the API server has said. */
  get nodeExists(): boolean | undefined {
    return this.#node.synced ? this.#node.current !== undefined : undefined;
  }

  get hold(): string | undefined {
    return this.node?.annotations.get(nodeAnnotations.hold);
  }

  get pause(): string | undefined {
    return this.#pause.current;
  }

  /** The pause as of now, for one who is about to do what it forbids. Throws ClusterError. */
  async checkPause(signal: AbortSignal): Promise<string | undefined> {
    return await this.#pause.check(signal);
  }

  /**
   * The reason of a pause of all; false where there is none. Undefined where that is not known: not read yet, or not heard of for
   * longer than `limitMs`, in which one may have begun.
   */
  pausedWithin(limitMs: number): string | false | undefined {
    const asOfMs = this.#pause.freshAsOfMs();
    if (asOfMs === undefined) return undefined;
    return this.pause ?? (this.#options.clock.monotonicMs() - asOfMs > limitMs ? undefined : false);
  }

  pods(): PodView[] {
    return this.#pods.values();
  }

  /** Monotonic time at which anything of the pods was last heard to change. */
  get podsChangedAtMs(): number {
    return this.#podsChangedAtMs;
  }

  /** Whether a pod is being deleted, or has been since the last call. */
  takePodsLeave(): boolean {
    const leave = this.#podsLeave || this.#pods.values().some(({ terminating }) => terminating);
    this.#podsLeave = false;
    return leave;
  }

  /** What has not been read once yet, in words. */
  unread(): string[] {
    const { namespace } = this.#options;
    return [
      ...(this.#node.synced ? [] : ['the Node']),
      ...(this.#pods.synced ? [] : ['its pods']),
      ...(this.#pause.synced ? [] : [`ConfigMap ${namespace}/${controlConfigMap}`]),
    ];
  }

  /** For how long something may have changed without our knowing; Infinity until all has been read. */
  unheardMs(): number {
    const nowMs = this.#options.clock.monotonicMs();
    const fresh = [this.#node, this.#pods, this.#pause].map((watched) => watched.freshAsOfMs());
    return Math.max(0, ...fresh.map((asOfMs) => (asOfMs === undefined ? Number.POSITIVE_INFINITY : nowMs - asOfMs)));
  }

  #following(what: string) {
    const { port, clock, random, log, onChange } = this.#options;
    return {
      port,
      clock,
      random,
      onChange: () => onChange(),
      onHealth: (problem: ClusterError | undefined) => this.#health(what, problem),
      onUnreadable: (problem: string) => log.warn({ reason: problem }, 'what was known of an object stays in force'),
    };
  }

  #health(what: string, problem: ClusterError | undefined): void {
    const { log } = this.#options;
    if (problem === undefined) this.#problems.delete(what);
    else this.#problems.set(what, problem);
    if (problem === undefined) log.info({ following: what }, 'API server is followed again');
    else log.warn({ following: what, error: problem }, 'API server cannot be followed; what was known stays in force');
    this.#tellHealth();
  }

  #tellHealth(): void {
    const { metrics, readiness, onChange } = this.#options;
    const [worst] = this.#problems.values();
    const unread = this.unread();
    const obstacle = worst?.message ?? (unread.length > 0 ? `not read yet: ${unread.join(', ')}` : undefined);
    metrics.clusterUp(obstacle === undefined);
    readiness.set(OBSTACLE, obstacle);
    onChange();
  }
}
