import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { systemClock } from '../../agent/clock.ts';
import type { KubernetesPort } from '../../agent/cluster/port.ts';
import { Drain } from '../../agent/reboot/drain/drain.ts';
import type { ObstacleCode } from '../../agent/reboot/drain/eviction.ts';
import type { DrainOptions } from '../../agent/reboot/drain/options.ts';
import { kubernetesComponents } from '../harness/components.ts';
import type { DrainSite } from './drainsite.ts';

const execute = promisify(execFile);

/** What a case asks of both. */
export interface DrainRequest {
  readonly timeoutSeconds: number;
  readonly gracePeriodSeconds?: number;
  readonly podSelector?: string;
  readonly skipTerminatingAfterSeconds?: number;
  readonly keepEmptyDir?: boolean;
  readonly keepUnmanaged?: boolean;
}

/** How a drain ended. */
export type Ending =
  | 'drained'
  /** Before the first eviction. */
  | 'refused'
  | 'budget'
  | 'several-budgets'
  | 'namespace-terminating'
  | 'denied'
  /** Evicted, and there at the end of the time. */
  | 'ending'
  | 'unclear';

export interface DrainVerdict {
  readonly ending: Ending;
  readonly fates: Record<string, string>;
  /** What was said, for a person who reads a failure. */
  readonly said: string;
}

/** `kubectl drain` with flags that ask for the same. */
export async function drainWithKubectl(
  kubeconfig: string,
  home: string,
  site: DrainSite,
  request: DrainRequest,
): Promise<DrainVerdict> {
  const env = { PATH: '/usr/bin:/bin', HOME: home, KUBECONFIG: kubeconfig };
  const args = ['drain', site.name, ...kubectlFlags(request)];
  const options = { env, maxBuffer: 64 * 1024 * 1024, timeout: 120_000 };
  let ending: Ending = 'drained';
  let said;
  try {
    said = (await execute(kubernetesComponents().kubectl, args, options)).stderr;
  } catch (error) {
    said = String((error as { stderr?: unknown }).stderr);
    ending = endingOf(said);
  }
  return { ending, fates: await site.fates(), said };
}

function kubectlFlags(request: DrainRequest): string[] {
  const { timeoutSeconds, gracePeriodSeconds, podSelector, skipTerminatingAfterSeconds } = request;
  return [
    '--ignore-daemonsets',
    `--timeout=${timeoutSeconds}s`,
    ...(request.keepEmptyDir === true ? [] : ['--delete-emptydir-data']),
    ...(request.keepUnmanaged === true ? [] : ['--force']),
    ...(gracePeriodSeconds === undefined ? [] : [`--grace-period=${gracePeriodSeconds}`]),
    ...(podSelector === undefined ? [] : [`--pod-selector=${podSelector}`]),
    ...(skipTerminatingAfterSeconds === undefined
      ? []
      : [`--skip-wait-for-delete-timeout=${skipTerminatingAfterSeconds}`]),
  ];
}

const kubectlWords: readonly (readonly [Ending, RegExp])[] = [
  ['several-budgets', /more than one PodDisruptionBudget/],
  ['denied', /denied request/],
  ['budget', /would violate the pod's disruption budget/],
  ['namespace-terminating', /from terminating namespace/],
  ['refused', /cannot delete|daemonsets\.apps "[^"]*" not found/],
  ['ending', /to terminate: .*(global timeout|deadline)/],
];

function endingOf(said: string): Ending {
  return kubectlWords.find(([, pattern]) => pattern.test(said))?.[0] ?? 'unclear';
}

export function drainOptions(request: DrainRequest): DrainOptions {
  return {
    timeoutMs: request.timeoutSeconds * 1000,
    podTimeoutMs: undefined,
    gracePeriodSeconds: request.gracePeriodSeconds,
    podSelector: request.podSelector,
    skipTerminatingAfterSeconds: request.skipTerminatingAfterSeconds,
    parallelism: 10,
    evictEmptyDir: request.keepEmptyDir !== true,
    evictUnmanaged: request.keepUnmanaged !== true,
  };
}

/** Our drain. The cordon is the machine's, and a test's here. */
export async function drainWithAgent(
  port: KubernetesPort,
  site: DrainSite,
  request: DrainRequest,
): Promise<DrainVerdict> {
  await site.api.merge(`/api/v1/nodes/${site.name}`, { spec: { unschedulable: true } });
  const options = drainOptions(request);
  const drain = new Drain({ port, nodeName: site.name, options, clock: systemClock, random: Math.random });
  const outcome = await drain.run(new AbortController().signal);
  return { ending: agentEnding(outcome), fates: await site.fates(), said: JSON.stringify(outcome) };
}

function agentEnding(outcome: Awaited<ReturnType<Drain['run']>>): Ending {
  if (outcome.status === 'drained' || outcome.status === 'refused') return outcome.status;
  if (outcome.status !== 'stuck') return 'unclear';
  const [first] = outcome.obstacles;
  return first === undefined ? 'unclear' : (endings[first.code] ?? 'unclear');
}

const endings: Readonly<Partial<Record<ObstacleCode, Ending>>> = {
  budget: 'budget',
  'several-budgets': 'several-budgets',
  'namespace-terminating': 'namespace-terminating',
  ending: 'ending',
  refused: 'denied',
};
