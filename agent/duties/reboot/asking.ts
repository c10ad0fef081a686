import { backoffMs } from '../../backoff.ts';
import type { Clock, Random } from '../../clock.ts';
import { stateLabel } from '../../cluster/names.ts';
import { type NodeObject, nodes, type PodObject, pods } from '../../cluster/objects.ts';
import { podsBoundTo } from '../../cluster/pods.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { Config } from '../../config/load.ts';
import { isNodetenderError, messageOf } from '../../errors.ts';
import { podName } from '../../reboot/drain/pod.ts';
import { rehearse } from '../../reboot/drain/rehearsal.ts';
import { askGates, askHealth, type AskPrometheus } from '../../reboot/gates/asking.ts';
import { daemonSetsNotReady } from '../../reboot/gates/health.ts';
import type { GatePod } from '../../reboot/gates/pods.ts';
import { queryPrometheus } from '../../reboot/gates/prometheus.ts';
import { type Voters, votesMissing } from '../../reboot/hooks.ts';
import { judgePool, type PoolNode } from '../../reboot/lock/poolhealth.ts';
import { poolOf, type Pools } from '../../reboot/lock/pools.ts';
import type { Answers, Blocker, Question } from '../../reboot/state.ts';
import type { HostGate } from './hostgate.ts';

type RebootConfig = Config['reboot'];

export interface AskingOptions {
  readonly port: Pick<KubernetesPort, 'get' | 'list' | 'evict'>;
  readonly nodeName: string;
  readonly host: Pick<HostGate, 'blockers'>;
  readonly config: () => RebootConfig;
  readonly pools: () => Pools;
  /** Nodes that hold a slot. */
  readonly holders: () => ReadonlySet<string>;
  /** Monotonic time of the last change of this node's pods that a watch has told of. */
  readonly podsChangedAtMs?: (() => number) | undefined;
  /** The reason of a pause of all nodes, asked of the API server now; see PauseView. Throws ClusterError. */
  readonly checkPause?: ((signal: AbortSignal) => Promise<string | undefined>) | undefined;
  /** DaemonSets that the health after the reboot leaves out. */
  readonly notReadyBefore: () => readonly string[] | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** Whether this node is about to take a slot, or has one. */
export type SlotIs = 'far' | 'near' | 'held';

const deadlineMs = 30_000;
/** Pods of which nothing was heard since are listed again only so often: a watch may hang. With a slot in hand, always. */
const quietPodsMs = 10 * 60_000;

/** While a sick pool keeps nodes waiting, each of them lists all nodes this often: there may be a thousand of them, for days. */
const sickPoolBackoff = { firstMs: 60_000, longestMs: 30 * 60_000 };

/** Asks those who have a say, and remembers the last answers. */
export class Asking {
  readonly #options: AskingOptions;
  readonly #answers = new Map<
    Question,
    Pick<Answers, 'blockedBy' | 'daemonSetsNotReady'> & { readonly askedAtMs: number; readonly answeredAtMs: number }
  >();
  #podsBefore: { readonly askedAtMs: number; readonly pods: readonly GatePod[] } | undefined;
  #sickPool: { readonly blockedBy: readonly Blocker[]; readonly times: number; readonly untilMs: number } | undefined;

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  answers(): { readonly [question in Question]?: Answers } {
    const nowMs = this.#options.clock.monotonicMs();
    return Object.fromEntries(
      [...this.#answers].map(([question, { askedAtMs, answeredAtMs, ...said }]) => [
        question,
        { askedAgoMs: nowMs - askedAtMs, answeredAgoMs: nowMs - answeredAtMs, ...said },
      ]),
    );
  }

  /**
   * Far from a slot the health of the pool is not worth a list of its nodes. Rejects when `signal` aborts, and with
   * ClusterError when a drain could not be tried, save for want of permission: that says nothing about whether it would succeed.
   */
  async ask(question: Question, slotIs: SlotIs, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const askedAtMs = clock.monotonicMs();
    const blockedBy = await this.#blockers(question, slotIs, signal);
    signal.throwIfAborted();
    const notReady = question === 'gates' ? this.#daemonSetsNotReady(slotIs) : undefined;
    const answeredAtMs = clock.monotonicMs();
    this.#answers.set(question, { askedAtMs, answeredAtMs, blockedBy, daemonSetsNotReady: notReady });
  }

  async #blockers(question: Question, slotIs: SlotIs, signal: AbortSignal): Promise<readonly Blocker[]> {
    const { hooks } = this.#options.config();
    switch (question) {
      case 'gates':
        return await this.#allGates(slotIs, signal);
      case 'drain':
        return await this.#rehearsal(signal);
      case 'before-reboot':
        return await this.#votes(hooks.before, signal);
      case 'after-reboot':
        return await this.#votes(hooks.after, signal);
      case 'health':
        return await this.#health(signal);
      default:
        return question satisfies never;
    }
  }

  /** A list of all nodes is the dearest question, and answers nothing where another gate blocks. */
  async #allGates(slotIs: SlotIs, signal: AbortSignal): Promise<readonly Blocker[]> {
    const { host, clock, random } = this.#options;
    const paused = slotIs === 'held' ? this.#paused(signal) : [];
    const blockedBy = (await Promise.all([paused, this.#gates(slotIs, signal), host.blockers(signal)])).flat();
    if (blockedBy.length > 0 || slotIs === 'far') return blockedBy;
    const sick = this.#sickPool;
    if (slotIs === 'near' && sick !== undefined && clock.monotonicMs() < sick.untilMs) return sick.blockedBy;
    const found = await this.#pool(signal);
    const times = (sick?.times ?? 0) + 1;
    const untilMs = clock.monotonicMs() + backoffMs(sickPoolBackoff, times, random);
    this.#sickPool = found.length === 0 ? undefined : { blockedBy: found, times, untilMs };
    return found;
  }

  /** With a slot in hand a pause that the watch has kept back would come too late. */
  async #paused(signal: AbortSignal): Promise<readonly Blocker[]> {
    try {
      const pause = await this.#options.checkPause?.(signal);
      if (pause === undefined) return [];
      return [{ gate: 'pause', reason: `reboots are paused on all nodes${pause === '' ? '' : `: ${pause}`}` }];
    } catch (error) {
      return [{ gate: 'pause', reason: `it is not known whether all nodes are paused: ${messageOf(error)}` }];
    }
  }

  async #gates(slotIs: SlotIs, signal: AbortSignal): Promise<readonly Blocker[]> {
    const { gates } = this.#options.config();
    const isWorthAList = gates.blockingPods.length > 0 || this.#marksDaemonSets(slotIs);
    const known = isWorthAList ? await this.#podsUnlessQuiet(slotIs, signal) : [];
    return await askGates(gates, known, this.#prometheus(signal));
  }

  /** By the pods that the gates have just gone by. */
  #daemonSetsNotReady(slotIs: SlotIs): string[] | undefined {
    const before = this.#podsBefore;
    return before !== undefined && this.#marksDaemonSets(slotIs) ? daemonSetsNotReady(before.pods) : undefined;
  }

  #marksDaemonSets(slotIs: SlotIs): boolean {
    return slotIs === 'held' && this.#options.config().health.daemonSetPods;
  }

  async #rehearsal(signal: AbortSignal): Promise<readonly Blocker[]> {
    const { port, nodeName, config, clock } = this.#options;
    try {
      const { impossible, unanswered } = await rehearse({ port, nodeName, options: config().drain, clock }, signal);
      const reason = impossible ?? unanswered;
      return reason === undefined ? [] : [{ gate: 'drain', reason }];
    } catch (error) {
      // Whoever may not look may not evict: the slot is of more use to others.
      if (!isNodetenderError(error, 'cluster/forbidden')) throw error;
      return [{ gate: 'drain', reason: error.message }];
    }
  }

  async #health(signal: AbortSignal): Promise<readonly Blocker[]> {
    const { health } = this.#options.config();
    const known = health.daemonSetPods || health.pods.length > 0 ? await this.#pods(signal) : [];
    const rules = { ...health, notReadyBefore: this.#options.notReadyBefore() };
    return await askHealth(rules, known, this.#prometheus(signal), this.#options.nodeName);
  }

  async #votes(voters: Voters, signal: AbortSignal): Promise<readonly Blocker[]> {
    return votesMissing(voters, {
      annotations: voters.annotations.length === 0 ? new Map() : await this.#annotations(signal),
      pods: voters.pods.length === 0 ? [] : await this.#pods(signal),
    });
  }

  async #pool(signal: AbortSignal): Promise<readonly Blocker[]> {
    const { port, nodeName, config, pools, holders } = this.#options;
    const { maxUnhealthy, countCordoned } = config().gates;
    const all = pools();
    const holding = holders();
    try {
      const { items } = await port.list(
        nodes,
        {},
        (node) => ({ ...poolNodeOf(node, holding), pool: poolOf(all, labelsOf(node)).name }),
        { signal, deadlineMs },
      );
      const ours = items.find(({ name }) => name === nodeName)?.pool;
      const health = judgePool(
        items.filter(({ pool }) => pool === ours),
        nodeName,
        { maxUnhealthy, countCordoned },
      );
      return health.kind === 'healthy' ? [] : [{ gate: 'pool-health', reason: health.reason }];
    } catch (error) {
      return [{ gate: 'pool-health', reason: messageOf(error) }];
    }
  }

  async #podsUnlessQuiet(slotIs: SlotIs, signal: AbortSignal): Promise<readonly GatePod[] | undefined> {
    const { clock, podsChangedAtMs } = this.#options;
    const before = this.#podsBefore;
    if (slotIs !== 'held' && before !== undefined && podsChangedAtMs !== undefined) {
      const isQuiet = podsChangedAtMs() < before.askedAtMs;
      if (isQuiet && clock.monotonicMs() - before.askedAtMs < quietPodsMs) return before.pods;
    }
    const askedAtMs = clock.monotonicMs();
    const found = await this.#pods(signal);
    this.#podsBefore = found && { askedAtMs, pods: found };
    return found;
  }

  /** Undefined where they cannot be read. */
  async #pods(signal: AbortSignal): Promise<readonly GatePod[] | undefined> {
    const { port, nodeName } = this.#options;
    try {
      return (await port.list(pods, podsBoundTo(nodeName), gatePodOf, { signal, deadlineMs })).items;
    } catch {
      // Not known is an answer, too: whoever needs them says so.
      return undefined;
    }
  }

  async #annotations(signal: AbortSignal): Promise<ReadonlyMap<string, string> | undefined> {
    const { port, nodeName } = this.#options;
    try {
      const { metadata } = await port.get(nodes, { name: nodeName }, { signal, deadlineMs });
      return new Map(Object.entries(metadata.annotations ?? {}));
    } catch {
      return undefined;
    }
  }

  #prometheus(signal: AbortSignal): AskPrometheus {
    const { prometheus } = this.#options.config();
    if (prometheus === undefined) return undefined;
    return async (query) => await queryPrometheus(prometheus, query, { clock: this.#options.clock, signal });
  }
}

function labelsOf({ metadata }: NodeObject): ReadonlyMap<string, string> {
  return new Map(Object.entries(metadata.labels ?? {}));
}

function poolNodeOf({ metadata, spec, status }: NodeObject, holders: ReadonlySet<string>): PoolNode {
  const isOurs = metadata.labels?.[stateLabel] !== undefined;
  return {
    name: metadata.name,
    ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    cordonedBy: spec?.unschedulable === true ? (isOurs ? 'us' : 'others') : 'nobody',
    isRebooting: holders.has(metadata.name),
  };
}

function gatePodOf({ metadata, status }: PodObject): GatePod {
  const { namespace = '', ownerReferences = [] } = metadata;
  const daemonSet = ownerReferences.find(({ kind, controller }) => kind === 'DaemonSet' && controller === true);
  return {
    namespace,
    name: metadata.name,
    labels: new Map(Object.entries(metadata.labels ?? {})),
    phase: status?.phase ?? '',
    ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    daemonSet: daemonSet && podName({ namespace, name: daemonSet.name }),
    terminating: metadata.deletionTimestamp !== undefined,
  };
}
