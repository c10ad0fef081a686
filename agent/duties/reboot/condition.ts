import type { Clock } from '../../clock.ts';
import type { nodeConditions } from '../../cluster/names.ts';
import { type NodeObject, nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { State } from '../../reboot/state.ts';

const maxMessageLength = 1024;
const deadlineMs = 10_000;
/** What is seen of the Node lags behind what was written there, and a write that had no answer may be done late. */
const believedMs = 60_000;

export interface Condition {
  readonly status: 'True' | 'False';
  /** UpperCamelCase. */
  readonly reason: string;
  readonly message: string;
}

export interface NodeConditionOptions {
  readonly type: (typeof nodeConditions)[number];
  /** The status of a Node that there is nothing to say of: one that never had another gets no condition. */
  readonly usual: Condition['status'];
  readonly port: Pick<KubernetesPort, 'patch'>;
  readonly nodeName: string;
  readonly clock: Clock;
}

/** One condition of the Node, for people and their tools. */
export class NodeCondition {
  readonly #options: NodeConditionOptions;
  /** As it stands on the Node, as far as known. */
  #known: Condition | undefined;
  #changedAtMs: number | undefined;
  /** Monotonic: since when another status is seen on the Node. */
  #differsSinceMs: number | undefined;

  constructor(options: NodeConditionOptions) {
    this.#options = options;
  }

  /** What an earlier life has left, or nobody. */
  learn({ status }: NodeObject): void {
    const found = status?.conditions?.find(({ type }) => type === this.#options.type);
    this.#known = undefined;
    this.#changedAtMs = undefined;
    if (found === undefined) return;
    const { reason = '', message = '', lastTransitionTime = '' } = found;
    this.#known = { status: found.status === 'True' ? 'True' : 'False', reason, message };
    const atMs = Date.parse(lastTransitionTime);
    if (!Number.isNaN(atMs)) this.#changedAtMs = atMs;
  }

  /** Where another status is seen on the Node for a while, it is to be written anew: a late write has undone it, or somebody. */
  compare(seen: ReadonlyMap<string, string>): void {
    const { type, clock } = this.#options;
    const status = seen.get(type);
    if (status === this.#known?.status) {
      this.#differsSinceMs = undefined;
      return;
    }
    this.#differsSinceMs ??= clock.monotonicMs();
    if (clock.monotonicMs() - this.#differsSinceMs < believedMs) return;
    this.#differsSinceMs = undefined;
    this.#changedAtMs = undefined;
    this.#known =
      status === undefined ? undefined : { status: status === 'True' ? 'True' : 'False', reason: '', message: '' };
  }

  /** Writes it where it is another. Throws ClusterError. */
  async follow(wanted: Condition, signal: AbortSignal): Promise<void> {
    const { type, usual, port, nodeName, clock } = this.#options;
    const known = this.#known;
    if (known === undefined && wanted.status === usual) return;
    if (known !== undefined && isSame(known, wanted)) return;
    const changedAtMs = known?.status === wanted.status ? (this.#changedAtMs ?? clock.nowMs()) : clock.nowMs();
    const times = { lastTransitionTime: iso(changedAtMs), lastHeartbeatTime: iso(clock.nowMs()) };
    const body = { status: { conditions: [{ type, ...wanted, ...times }] } };
    const target = { name: nodeName };
    await port.patch(nodes, target, { type: 'strategic', body, subresource: 'status' }, { signal, deadlineMs });
    this.#known = wanted;
    this.#changedAtMs = changedAtMs;
  }
}

/** Condition `RebootRequired`: that a reboot is needed, since when and by what, and what becomes of that. */
export function rebootRequired({ need, reason }: State): Condition {
  const told = reason.code
    .split('-')
    .map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)
    .join('');
  if (need === undefined) return { status: 'False', reason: told, message: 'no reboot is wanted' };
  const who = need.kind === 'request' ? 'a person asks for it' : 'the host asks for it';
  const packages = need.packages.length === 0 ? '' : ` (${need.packages.join(', ')})`;
  const message = `${who} since ${iso(need.sinceMs)}${packages}; ${reason.text}`;
  return { status: 'True', reason: told, message: message.slice(0, maxMessageLength) };
}

/** Condition `RebootPossible`: whether the host would let a reboot through; `problem` says why it would not. */
export function rebootPossible(problem: string | undefined): Condition {
  if (problem === undefined)
    return { status: 'True', reason: 'HostAllows', message: 'the host lets the agent reboot it' };
  return { status: 'False', reason: 'HostDenies', message: problem.slice(0, maxMessageLength) };
}

function isSame(one: Condition, other: Condition): boolean {
  return one.status === other.status && one.reason === other.reason && one.message === other.message;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
