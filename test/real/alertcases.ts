/** A series as promtool reads it: `name{labels}` and its values, one a minute unless `everyMinutes` is given. */
type Series = readonly [series: string, values: string];

export interface AlertCase {
  readonly what: string;
  readonly series: readonly Series[];
  readonly alert: string;
  /** For what takes days. */
  readonly everyMinutes?: number;
  /** Minutes at which it does not fire yet. */
  readonly quietAt: number;
  /** Minutes at which it fires; undefined: never, to be tried at `quietAt`. */
  readonly firesAt?: number;
  /** The labels that it then has besides its name and severity, one set for each alert that fires. */
  readonly labels?: readonly Readonly<Record<string, string>>[];
}

const slot = 'pool="default",slot="nodetender-default-0",node="web-3"';
const held = { pool: 'default', slot: 'nodetender-default-0', node: 'web-3' };
const of = (instance: string): string => `job="nodetender",namespace="nodetender",instance="${instance}"`;
const agent = (instance: string) => ({ job: 'nodetender', namespace: 'nodetender', instance });
/** A hundred nodes, of which ten may reboot together. */
const rollOfTen = (ready: string): Series[] => [
  ['kube_daemonset_status_desired_number_scheduled{namespace="nodetender",daemonset="nodetender"}', '100x60'],
  ['kube_daemonset_status_number_ready{namespace="nodetender",daemonset="nodetender"}', ready],
  ...Array.from({ length: 10 }, (_, n): Series[] =>
    ['web-1', 'web-2'].map((by) => [
      `nodetender_lock_held_seconds{pool="default",slot="nodetender-default-${n}",node="db-${n}",${of(by)}}`,
      '60x60',
    ]),
  ).flat(),
];
const lastRun = 'nodetender_last_run_end_timestamp_seconds';

export const alertCases: readonly AlertCase[] = [
  {
    what: 'a holder that never came back is told of once, however many agents see it',
    alert: 'NodetenderRollStuck',
    series: ['web-1', 'web-2'].map((node) => [
      `nodetender_lock_problem{${slot},problem="never-came-back",${of(node)}}`,
      '1x30',
    ]),
    quietAt: 4,
    firesAt: 6,
    labels: [{ ...held, problem: 'never-came-back' }],
  },
  {
    what: 'a slot that is given back is told of no longer',
    alert: 'NodetenderRollStuck',
    series: [[`nodetender_lock_problem{${slot},problem="holds-long",${of('web-1')}}`, '1x3 stale']],
    quietAt: 20,
  },
  {
    what: 'a slot that is held for two hours',
    alert: 'NodetenderSlotHeldTooLong',
    series: [[`nodetender_lock_held_seconds{${slot},${of('web-1')}}`, '0+60x200']],
    quietAt: 120,
    firesAt: 127,
    labels: [held],
  },
  {
    what: 'a node that is not well after its reboot, soon; not one that became well at once, nor one that is',
    alert: 'NodetenderUnhealthyAfterReboot',
    series: [
      [`nodetender_reboot_unhealthy{${of('web-1')}}`, '0x10 1x20'],
      [`nodetender_reboot_unhealthy{${of('web-2')}}`, '0x10 1 0x19'],
      [`nodetender_reboot_unhealthy{${of('web-3')}}`, '0x40'],
    ],
    quietAt: 11,
    firesAt: 13,
    labels: [agent('web-1')],
  },
  {
    what: 'a reboot that is wanted for a week',
    alert: 'NodetenderRebootPending',
    series: [[`nodetender_reboot_required_since_timestamp_seconds{${of('web-1')}}`, '0x700']],
    everyMinutes: 15,
    quietAt: 7 * 1440,
    firesAt: 7 * 1440 + 30,
    labels: [agent('web-1')],
  },
  {
    what: 'reboots that fail again and again',
    alert: 'NodetenderRebootFailing',
    series: [
      [`nodetender_reboot_consecutive_failures{${of('web-1')}}`, '2x10 3x20'],
      [`nodetender_reboot_consecutive_failures{${of('web-2')}}`, '0x40'],
    ],
    quietAt: 14,
    firesAt: 18,
    labels: [agent('web-1')],
  },
  {
    what: 'a host that asks for a reboot after each of its reboots, but none that has rebooted twice; the first of all does not count',
    alert: 'NodetenderRebootsAgainAndAgain',
    series: [
      [`nodetender_last_reboot_timestamp_seconds{${of('web-1')}}`, '0x60 4000x60 8000x60 12000x60 16000x60'],
      [`nodetender_last_reboot_timestamp_seconds{${of('web-2')}}`, '0x60 4000x60 8000x180'],
      [`nodetender_last_reboot_timestamp_seconds{${of('web-3')}}`, '_x60 4000x60 8000x60 12000x60 16000x60'],
    ],
    quietAt: 240,
    firesAt: 246,
    labels: [agent('web-1')],
  },
  {
    what: 'a host that would deny a reboot',
    alert: 'NodetenderRebootImpossible',
    series: [
      [`nodetender_reboot_possible{${of('web-1')}}`, '0x40'],
      [`nodetender_reboot_possible{${of('web-2')}}`, '1x40'],
    ],
    quietAt: 14,
    firesAt: 16,
    labels: [agent('web-1')],
  },
  {
    what: 'cleaning that failed the last time, after one that did not, or from the beginning',
    alert: 'NodetenderCleaningFailing',
    series: [
      [`${lastRun}{outcome="done",${of('web-1')}}`, '50x40'],
      [`${lastRun}{outcome="failed",${of('web-1')}}`, '100x40'],
      [`${lastRun}{outcome="failed",${of('web-2')}}`, '100x40'],
      [`${lastRun}{outcome="failed",${of('web-3')}}`, '100x40'],
      [`${lastRun}{outcome="done",${of('web-3')}}`, '150x40'],
      [`${lastRun}{outcome="stopped",${of('web-4')}}`, '100x40'],
    ],
    quietAt: 14,
    firesAt: 16,
    labels: [{ instance: 'web-1' }, { instance: 'web-2' }],
  },
  {
    what: 'cleaning that failed once and was well again',
    alert: 'NodetenderCleaningFailing',
    series: [
      [`${lastRun}{outcome="failed",${of('web-1')}}`, '100x40'],
      [`${lastRun}{outcome="enough",${of('web-1')}}`, '_x10 160x30'],
    ],
    quietAt: 30,
  },
  {
    what: 'a runtime that is away for long, not one that is restarted',
    alert: 'NodetenderRuntimeUnreachable',
    series: [
      [`nodetender_runtime_up{${of('web-1')}}`, '0x40'],
      [`nodetender_runtime_up{${of('web-2')}}`, '1x10 0x5 1x25'],
    ],
    quietAt: 14,
    firesAt: 16,
    labels: [agent('web-1')],
  },
  {
    what: 'a configuration that is refused',
    alert: 'NodetenderConfigRefused',
    series: [
      [`nodetender_config_valid{${of('web-1')}}`, '1x10 0x20'],
      [`nodetender_config_valid{${of('web-2')}}`, '1x30'],
    ],
    quietAt: 14,
    firesAt: 17,
    labels: [agent('web-1')],
  },
  {
    what: 'an agent that does not answer, but none of another job',
    alert: 'NodetenderAgentMissing',
    series: [
      [`up{${of('web-1')}}`, '0x40'],
      [`up{${of('web-2')}}`, '1x40'],
      ['up{job="kubelet",namespace="nodetender",instance="web-1"}', '0x40'],
    ],
    quietAt: 14,
    firesAt: 16,
    labels: [agent('web-1')],
  },
  {
    what: 'a node without a pod of the agent, where kube-state-metrics tells of it',
    alert: 'NodetenderAgentMissing',
    series: [
      ['kube_daemonset_status_desired_number_scheduled{namespace="nodetender",daemonset="nodetender"}', '3x40'],
      ['kube_daemonset_status_number_ready{namespace="nodetender",daemonset="nodetender"}', '2x40'],
      ['kube_daemonset_status_desired_number_scheduled{namespace="nodetender",daemonset="other"}', '3x40'],
      ['kube_daemonset_status_number_ready{namespace="nodetender",daemonset="other"}', '2x40'],
    ],
    quietAt: 14,
    firesAt: 16,
    labels: [{ namespace: 'nodetender', daemonset: 'nodetender' }],
  },
  {
    what: 'the nodes of a roll, of which one or the other is always away, are not missing',
    alert: 'NodetenderAgentMissing',
    series: rollOfTen(Array.from({ length: 20 }, (_, n) => `${90 + ((n * 7) % 10)} 90 99`).join(' ')),
    quietAt: 50,
  },
  {
    what: 'one more than reboot is missing',
    alert: 'NodetenderAgentMissing',
    series: rollOfTen('89x60'),
    quietAt: 14,
    firesAt: 16,
    labels: [{ namespace: 'nodetender', daemonset: 'nodetender' }],
  },
];
