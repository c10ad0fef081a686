import { ClusterError } from '../../cluster/errors.ts';
import { pods } from '../../cluster/objects.ts';
import type { KubernetesPort } from '../../cluster/port.ts';
import { askAgainMs, type Verdict, verdictOf } from './eviction.ts';
import type { DrainPod } from './pod.ts';

/** A conflict is resolved here, by a look at the pod. */
export type Answer = Exclude<Verdict, { readonly next: 'look' }>;

/** Asks for evictions, one request at a time for one pod, and says what the answers mean. */
export class Evictor {
  readonly #port: Pick<KubernetesPort, 'get' | 'evict'>;
  readonly #gracePeriodSeconds: number | undefined;
  /** By UID, failures of the server in a row. */
  readonly #failures = new Map<string, number>();

  constructor(port: Pick<KubernetesPort, 'get' | 'evict'>, gracePeriodSeconds: number | undefined) {
    this.#port = port;
    this.#gracePeriodSeconds = gracePeriodSeconds;
  }

  /** `why` is what the server said against it. Undefined where `signal` aborted. */
  async evict(pod: DrainPod, signal: AbortSignal): Promise<{ answer: Answer; why: string } | undefined> {
    const { uid } = pod;
    const gracePeriodSeconds = this.#gracePeriodSeconds;
    let refusal: ClusterError | undefined;
    try {
      await this.#port.evict(pod, { preconditions: { uid }, gracePeriodSeconds, signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      if (!(error instanceof ClusterError)) throw error;
      refusal = error;
    }
    const failures = refusal?.code === 'cluster/failed' ? (this.#failures.get(uid) ?? 0) + 1 : 0;
    if (failures === 0) this.#failures.delete(uid);
    else this.#failures.set(uid, failures);
    const verdict = verdictOf({ code: refusal?.code, retryAfterMs: refusal?.retryAfterMs, failures });
    return { answer: verdict.next === 'look' ? await this.#look(pod, signal) : verdict, why: refusal?.message ?? '' };
  }

  /** After a conflict: is it another pod that has the name? */
  async #look({ namespace, name, uid }: DrainPod, signal: AbortSignal): Promise<Answer> {
    try {
      const { metadata } = await this.#port.get(pods, { namespace, name }, { signal });
      if (metadata.uid !== uid) return { next: 'gone' };
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      if (error.code === 'cluster/not-found') return { next: 'gone' };
    }
    return { next: 'retry', afterMs: askAgainMs, obstacle: 'no-answer' };
  }
}
