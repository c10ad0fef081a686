import type { DrainOptions } from './options.ts';
import { type DrainPod, isFinished } from './pod.ts';
import { namesOf } from './wording.ts';

type Limits = Pick<DrainOptions, 'timeoutMs' | 'podTimeoutMs' | 'gracePeriodSeconds'>;

/**
 * Pods that may take longer to end than a drain that begins waits for them, in one sentence; undefined where none may. No reason not
 * to drain: a week of grace is what message brokers and runners of builds ask for that end within a minute. A pod that takes its
 * time is evicted in vain, as what takes its place meets the same at the next try, so it is told before. A node that stays
 * cordoned sees it gone by then.
 */
export function slowToEnd(
  pods: readonly DrainPod[],
  options: Limits & Pick<DrainOptions, 'whenStuck'>,
): string | undefined {
  const { whenStuck = 'back-out' } = options;
  if (whenStuck !== 'back-out') return undefined;
  return beyondLimit(
    pods.filter((pod) => !isFinished(pod) && pod.endsAtMs === undefined),
    options,
  );
}

/** The same of those whose end has begun and is not over: why a drain that has ended has waited for them in vain. */
export function stillEnding(pods: readonly DrainPod[], limits: Limits): string | undefined {
  return beyondLimit(
    pods.filter((pod) => pod.endsAtMs !== undefined),
    limits,
  );
}

function beyondLimit(pods: readonly DrainPod[], limits: Limits): string | undefined {
  const { timeoutMs = Number.POSITIVE_INFINITY, podTimeoutMs = Number.POSITIVE_INFINITY, gracePeriodSeconds } = limits;
  const limitMs = Math.min(timeoutMs, podTimeoutMs);
  const graceOf = (pod: DrainPod): number => gracePeriodSeconds ?? pod.graceSeconds;
  const slow = pods.filter((pod) => graceOf(pod) * 1000 > limitMs);
  if (slow.length === 0) return undefined;
  const longest = slow.reduce((most, pod) => Math.max(most, graceOf(pod)), 0);
  const limit = podTimeoutMs <= timeoutMs ? 'drain.podTimeout' : 'drain.timeout';
  return `${namesOf(slow)}: may take up to ${longest} s to end, and ${limit} is ${limitMs / 1000} s`;
}
