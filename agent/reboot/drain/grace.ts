import type { DrainOptions } from './options.ts';
import { type DrainPod, isFinished } from './pod.ts';
import type { Candidate } from './steps.ts';

type GraceOptions = Pick<DrainOptions, 'timeoutMs' | 'podTimeoutMs' | 'gracePeriodSeconds' | 'whenStuck'>;

/**
 * Pods that may take longer to end than the drain waits for them. To evict one would be in vain: it ends, the drain does not, and
 * what takes the pod's place on the node meets the same at the next try. A node that stays cordoned sees it gone by then.
 */
export function slowToEnd(pods: readonly DrainPod[], options: GraceOptions): Candidate[] {
  const { timeoutMs, podTimeoutMs, gracePeriodSeconds, whenStuck = 'back-out' } = options;
  if (whenStuck !== 'back-out') return [];
  const [limit, limitMs] =
    podTimeoutMs === undefined
      ? (['drain.timeout', timeoutMs] as const)
      : (['drain.podTimeout', podTimeoutMs] as const);
  if (limitMs === undefined) return [];
  return pods.flatMap((pod) => {
    const seconds = gracePeriodSeconds ?? pod.graceSeconds;
    if (isFinished(pod) || pod.endsAtMs !== undefined || seconds * 1000 <= limitMs) return [];
    const given = gracePeriodSeconds === undefined ? 'terminationGracePeriodSeconds' : 'drain.gracePeriod';
    const why = `needs up to ${seconds} s to end (${given}), and ${limit} is ${limitMs / 1000} s. Make ${limit} longer`;
    return [{ pod, askedAtMs: undefined, standing: { is: 'given-up', obstacle: 'timed-out', why } }];
  });
}
