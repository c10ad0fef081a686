import type { ImageUser } from './inventory.ts';
import type { PodIdentity } from '../runtime/port.ts';

/** The words for quantities and users in the reasons that a person reads. */

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/**
 * `9 days`, `2 days 3 hours`, `40 seconds`: the largest unit and the one below it, rounded down, so that what is not yet
 * 7 days never reads as 7 days.
 */
export function durationInWords(ms: number): string {
  for (const [at, [unit, unitMs]] of UNITS.entries()) {
    const count = Math.floor(ms / unitMs);
    if (!(count > 0)) continue;
    const [below, belowMs] = UNITS[at + 1] ?? [unit, unitMs];
    const rest = Math.floor((ms - count * unitMs) / belowMs);
    return rest > 0 ? `${plural(count, unit)} ${plural(rest, below)}` : plural(count, unit);
  }
  return '0 seconds';
}

/** `512 B`, `3.2 GiB`. */
export function bytesInWords(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const larger of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return `${unit === 'B' ? value : value.toFixed(1).replace(/\.0$/, '')} ${unit}`;
}

/** `1 image`, `3 images`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `container web of pod shop/web uses it, and so do 2 others`. */
export function usersInWords(user: ImageUser, others: number): string {
  if (others === 0) return userInWords(user);
  return `${userInWords(user)}, and so ${others === 1 ? 'does 1 other' : `do ${others} others`}`;
}

/** `exited container web of pod shop/web uses it`; `it` may be replaced by what is meant. */
export function userInWords(user: ImageUser, what = 'it'): string {
  switch (user.kind) {
    case 'container': {
      const state = user.state === 'running' || user.state === 'unknown' ? '' : `${user.state} `;
      return `${state}container ${user.name || user.id.slice(0, 12)}${ofPod(user.pod)} uses ${what}`;
    }
    case 'sandbox':
      return `the sandbox of pod ${podName(user.pod)} runs ${what}`;
    case 'volume':
      return `container ${user.containerName || user.containerId.slice(0, 12)}${ofPod(user.pod)} mounts ${what} as a volume`;
    case 'runtime':
      return `the container runtime is configured to start pods with ${what}`;
    case 'pod':
      return `pod ${podName(user.pod)} on this node names ${what}`;
  }
}

function ofPod(pod: PodIdentity | undefined): string {
  return pod ? ` of pod ${podName(pod)}` : '';
}

function podName(pod: PodIdentity): string {
  return `${pod.namespace}/${pod.name}`;
}
