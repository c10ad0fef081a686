import type { DrainOptions } from './options.ts';
import { type DrainPod, isFinished } from './pod.ts';
import { namesOf } from './wording.ts';

type GraceOptions = Pick<DrainOptions, 'timeoutMs' | 'podTimeoutMs' | 'gracePeriodSeconds' | 'whenStuck'>;

/**
 * Pods that may take longer to end than the drain waits for them, in one sentence; undefined where none may. No reason not to
 * drain: a week of grace is what message brokers and runners of builds ask for that end within a minute. A pod that takes its
 * time is evicted in vain, as what takes its place meets the same at the next try, so it is told before. A node that stays
 * cordoned sees it gone by then.
 */
export function slowToEnd(pods: readonly DrainPod[], options: GraceOptions): string | undefined {
  const { timeoutMs, podTimeoutMs, gracePeriodSeconds, whenStuck = 'back-out' } = options;
  const limit = podTimeoutMs === undefined ? 'drain.timeout' : 'drain.podTimeout';
  const limitMs = podTimeoutMs ?? timeoutMs;
  if (whenStuck !== 'back-out' || limitMs === undefined) return undefined;
  const graceOf = (pod: DrainPod): number => gracePeriodSeconds ?? pod.graceSeconds;
  const slow = pods.filter((pod) => !isFinished(pod) && pod.endsAtMs === undefined && graceOf(pod) * 1000 > limitMs);
  if (slow.length === 0) return undefined;
  const longest = slow.reduce((most, pod) => Math.max(most, graceOf(pod)), 0);
  return `${namesOf(slow)}: may take up to ${longest} s to end, and ${limit} is ${limitMs / 1000} s`;
}
