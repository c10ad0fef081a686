import type * as z from 'zod/mini';
import type { DrainOptions } from '../reboot/drain/options.ts';
import type { Settings } from '../reboot/settings.ts';
import type { Mark } from '../reboot/state.ts';
import { WEEKDAYS } from '../reboot/window.ts';
import type { Window } from '../reboot/window.ts';
import type { rebootSection } from './rebootschema.ts';

type Reboot = z.output<typeof rebootSection>;

/** From the file's words to the rooms', as for the other sections in load.ts. */
export function rebootConfig(reboot: Reboot) {
  const { sentinel, windows, pools, cap, lock, prometheus, gates, hooks, drain, health, marks, notify } = reboot;
  return {
    enabled: reboot.enabled,
    sentinel: {
      path: sentinel.path,
      /** Undefined: the file is looked for. */
      command: sentinel.command ? { argv: sentinel.command, timeoutMs: sentinel.commandTimeout } : undefined,
      checkEveryMs: sentinel.checkEvery,
    },
    way: { method: reboot.method, signal: reboot.signal, command: reboot.command },
    settings: settingsOf(reboot),
    windows: {
      allow: windows.allow.map((window) => windowOf(window, windows.timeZone)),
      deny: windows.deny.map((window) => windowOf(window, windows.timeZone)),
    },
    /** In the order in which they are asked; see agent/reboot/lock/pools.ts for what is added to them. */
    pools: pools.map(({ name, nodeSelector, concurrency }) => ({
      name,
      selectors: nodeSelector ? [nodeSelector] : [],
      concurrency,
    })),
    cap: cap ?? undefined,
    /** Undefined: a held Lease never becomes free by time. */
    lockStaleAfterMs: lock.staleAfter ?? undefined,
    /** Undefined: there is none. */
    prometheus:
      prometheus.url === null
        ? undefined
        : { url: prometheus.url, tokenFile: prometheus.tokenFile ?? undefined, timeoutMs: prometheus.timeout },
    gates: {
      blockingPods: gates.blockingPods,
      alerts: {
        ignore: gates.alerts.ignore ?? undefined,
        only: gates.alerts.only ?? undefined,
        firingOnly: gates.alerts.firingOnly,
      },
      /** Undefined: the larger of 1 and 10 %. */
      maxUnhealthy: gates.maxUnhealthy ?? undefined,
      countCordoned: gates.countCordoned,
    },
    hooks: {
      before: { annotations: hooks.before.annotations, pods: hooks.before.pods },
      after: { annotations: hooks.after.annotations, pods: hooks.after.pods },
    },
    drain: drainOptions(drain),
    health: { daemonSetPods: health.daemonSetPods, pods: health.pods, queries: health.queries },
    marks: {
      preferNoScheduleTaint: marks.preferNoScheduleTaint ?? undefined,
      labelsBefore: marks.labelsBefore,
      labelsAfter: marks.labelsAfter,
    },
    notify: {
      to: notify.to.map(({ url, urlFile, urlEnv, body }) => ({
        address: url ?? (urlFile === null ? { env: urlEnv ?? '' } : { file: urlFile }),
        body: body ?? undefined,
      })),
      messages: notify.messages,
    },
  };
}

/** What the machine is told. */
function settingsOf(reboot: Reboot): Settings {
  const { sentinel, windows, gates, hooks, drain, health, backoff, marks } = reboot;
  return {
    enabled: reboot.enabled,
    settleMs: sentinel.settle,
    minIntervalMs: reboot.minInterval,
    gatesEveryMs: gates.checkEvery,
    gatesPatienceMs: gates.patience,
    whenWindowCloses: windows.whenClosed,
    cordonDelayMs: drain.delay,
    rebootDelayMs: reboot.delay,
    hooks: { timeoutMs: hooks.before.timeout, whenTimedOut: hooks.before.whenTimedOut },
    whenStuck: drain.whenStuck,
    rebootDeadlineMs: reboot.deadline,
    soakMs: health.soak,
    verifyDeadlineMs: health.timeout,
    whenUnhealthy: health.whenFailed,
    backoff: { firstMs: backoff.first, longestMs: backoff.longest },
    marks: marksOf(marks),
    softTaintKey: marks.preferNoScheduleTaint ?? undefined,
  };
}

function drainOptions(drain: Reboot['drain']): DrainOptions {
  const seconds = (ms: number | null): number | undefined => (ms === null ? undefined : Math.ceil(ms / 1000));
  return {
    timeoutMs: Number.isFinite(drain.timeout) ? drain.timeout : undefined,
    podTimeoutMs: drain.podTimeout ?? undefined,
    gracePeriodSeconds: seconds(drain.gracePeriod),
    podSelector: drain.podSelector?.text,
    skipTerminatingAfterSeconds: seconds(drain.skipTerminatingAfter),
    parallelism: drain.parallelism,
    evictEmptyDir: drain.evictEmptyDir,
    evictUnmanaged: drain.evictUnmanaged,
    whenStuck: drain.whenStuck,
  };
}

function marksOf({ preferNoScheduleTaint, leaveLoadBalancers, keepFromScaleDown }: Reboot['marks']): Mark[] {
  const wanted: [Mark, boolean][] = [
    ['prefer-no-schedule', preferNoScheduleTaint !== null],
    ['load-balancers', leaveLoadBalancers],
    ['scale-down', keepFromScaleDown],
  ];
  return wanted.filter(([, isWanted]) => isWanted).map(([mark]) => mark);
}

function windowOf(window: Reboot['windows']['allow'][number], defaultZone: string): Window {
  const timeZone = window.timeZone ?? defaultZone;
  if (window.cron !== null) return { cron: window.cron, durationMs: window.duration ?? 0, timeZone };
  return {
    days: window.days ?? WEEKDAYS,
    fromMinute: window.from ?? 0,
    toMinute: window.to ?? 24 * 60,
    timeZone,
  };
}
