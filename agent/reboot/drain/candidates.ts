import type { DrainPod } from './pod.ts';
import type { Candidate, Standing } from './steps.ts';

/** The pods that have to go, from the first look at them until they are gone. */
export class Candidates {
  readonly #known = new Map<string, Candidate>();
  /** UIDs. What is gone by the server's word stays so, whatever a watch that is behind may show. */
  readonly #gone = new Set<string>();

  get size(): number {
    return this.#known.size;
  }

  /** Pods that are gone, or no longer waited for. */
  get goneCount(): number {
    return this.#gone.size;
  }

  /** In the order of their turns. */
  all(): Candidate[] {
    return [...this.#known.values()];
  }

  standingOf({ uid }: DrainPod): Standing | undefined {
    return this.#known.get(uid)?.standing;
  }

  isGone({ uid }: DrainPod): boolean {
    return this.#gone.has(uid);
  }

  /** Who has to go now. What is known of those who had to go before stays. */
  update(pods: readonly DrainPod[]): void {
    const present = new Set(pods.map(({ uid }) => uid));
    for (const uid of this.#known.keys()) if (!present.has(uid)) this.#forget(uid);
    for (const pod of pods) {
      if (this.#gone.has(pod.uid)) continue;
      const { standing, askedAtMs } = this.#known.get(pod.uid) ?? { standing: { is: 'queued' }, askedAtMs: undefined };
      this.#known.set(pod.uid, { pod, standing, askedAtMs });
    }
  }

  /** Without effect on a pod that is gone meanwhile. */
  stand({ uid }: DrainPod, standing: Standing, nowMs: number): void {
    const before = this.#known.get(uid);
    if (before === undefined) return;
    // To the end of the queue: what is in the way of one pod of a lane need not be in the way of the next.
    if (standing.is === 'blocked') this.#known.delete(uid);
    this.#known.set(uid, { ...before, standing, askedAtMs: before.askedAtMs ?? nowMs });
  }

  leave({ uid }: DrainPod): void {
    this.#forget(uid);
  }

  #forget(uid: string): void {
    this.#known.delete(uid);
    this.#gone.add(uid);
  }
}
