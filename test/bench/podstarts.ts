import { systemClock } from '../../agent/clock.ts';
import type { Containerd } from '../harness/containerd.ts';
import { removePod, runPodWith } from '../harness/pods.ts';

const EVERY_MS = 200;
/** On a node that cannot keep up pods pile up; more of them would measure only each other. */
const PODS_AT_ONCE = 8;

export interface PodStarts {
  /** From the request for a sandbox to the answer that its container runs, for each pod in turn. */
  readonly startMs: readonly number[];
  /** Starts that were due while too many others were under way. */
  readonly missed: number;
}

/** Starts a small pod every 200 ms, and removes it, for as long as `meanwhile` takes. */
export async function podStartsDuring(
  containerd: Containerd,
  image: string,
  meanwhile: Promise<unknown>,
): Promise<PodStarts> {
  const startMs: number[] = [];
  const underWay = new Set<Promise<void>>();
  let missed = 0;
  const ended = new AbortController();
  const end = () => {
    ended.abort();
  };
  meanwhile.then(end, end);

  const startedMs = performance.now();
  for (let tick = 0; !ended.signal.aborted; tick++) {
    if (underWay.size < PODS_AT_ONCE) {
      const pod = startAndRemove(containerd, `bench-${tick}`, image, startMs);
      underWay.add(pod);
      const leave = () => underWay.delete(pod);
      pod.then(leave, leave);
    } else {
      missed++;
    }
    const nextMs = startedMs + (tick + 1) * EVERY_MS;
    await systemClock.sleep(Math.max(0, nextMs - performance.now()), ended.signal);
  }
  await Promise.all(underWay);
  await meanwhile;
  return { startMs, missed };
}

async function startAndRemove(containerd: Containerd, name: string, image: string, startMs: number[]): Promise<void> {
  const startedMs = performance.now();
  const pod = await runPodWith(containerd, name, { image, state: 'running' });
  startMs.push(performance.now() - startedMs);
  await removePod(containerd, pod);
}
