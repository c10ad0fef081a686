import type { Clock } from '../../clock.ts';
import { type NodeObject, nodes } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import type { State } from '../../reboot/state.ts';

const conditionType = 'RebootRequired';
const maxMessageLength = 1024;
const deadlineMs = 10_000;

interface Condition {
  readonly status: 'True' | 'False';
  /** UpperCamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** The condition that tells people and their tools of a Node that a reboot is needed, and what becomes of that. */
export class RebootCondition {
  readonly #port: Pick<KubernetesPort, 'patch'>;
  readonly #nodeName: string;
  readonly #clock: Clock;
  /** As it stands on the Node, as far as known. */
  #known: Condition | undefined;
  #changedAtMs: number | undefined;

  constructor({ port, nodeName, clock }: { port: Pick<KubernetesPort, 'patch'>; nodeName: string; clock: Clock }) {
    this.#port = port;
    this.#nodeName = nodeName;
    this.#clock = clock;
  }

  /** What an earlier life has left. */
  learn({ status }: NodeObject): void {
    const found = status?.conditions?.find(({ type }) => type === conditionType);
    if (found === undefined) return;
    const { reason = '', message = '', lastTransitionTime = '' } = found;
    this.#known = { status: found.status === 'True' ? 'True' : 'False', reason, message };
    const atMs = Date.parse(lastTransitionTime);
    if (!Number.isNaN(atMs)) this.#changedAtMs = atMs;
  }

  /** Writes it where it is not what follows from `state`. A Node that never needed a reboot gets none. Throws ClusterError. */
  async follow(state: State, signal: AbortSignal): Promise<void> {
    const wanted = conditionOf(state);
    const known = this.#known;
    if (known === undefined && wanted.status === 'False') return;
    if (known !== undefined && isSame(known, wanted)) return;
    if (known?.status !== wanted.status) this.#changedAtMs = this.#clock.nowMs();
    const lastTransitionTime = iso(this.#changedAtMs ?? this.#clock.nowMs());
    const condition = {
      type: conditionType,
      ...wanted,
      lastTransitionTime,
      lastHeartbeatTime: iso(this.#clock.nowMs()),
    };
    const body = { status: { conditions: [condition] } };
    const target = { name: this.#nodeName };
    await this.#port.patch(nodes, target, { type: 'strategic', body, subresource: 'status' }, { signal, deadlineMs });
    this.#known = wanted;
  }
}

function conditionOf({ need, reason }: State): Condition {
  const told = reason.code.split('-').map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`);
  if (need === undefined) return { status: 'False', reason: told.join(''), message: 'no reboot is wanted' };
  const by = need.kind === 'request' ? 'a person asks for it' : `the host asks for it${packagesInWords(need.packages)}`;
  const message = `${by}; ${reason.text}`;
  return { status: 'True', reason: told.join(''), message: message.slice(0, maxMessageLength) };
}

function packagesInWords(packages: readonly string[]): string {
  return packages.length === 0 ? '' : ` (${packages.join(', ')})`;
}

function isSame(one: Condition, other: Condition): boolean {
  return one.status === other.status && one.reason === other.reason && one.message === other.message;
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
