import * as z from 'zod/mini';
import {
  choice,
  count,
  countOrPercentage,
  duration,
  durationOrNever,
  field,
  filledList,
  flag,
  list,
  mapping,
  optional,
  section,
} from './fields.ts';
import { notifySection } from './notifyschema.ts';
import {
  alertPattern,
  argument,
  foreignAnnotation,
  label,
  metadataKey,
  poolName,
  prometheusUrl,
  query,
  selector,
} from './reboottexts.ts';
import { absolutePath } from './texts.ts';
import { windowsSection } from './windowschema.ts';

const MAX_POOLS = 50;
const MAX_SELECTORS = 50;
const MAX_ARGUMENTS = 64;

const sentinel = section('What says that this node asks for a reboot.', {
  path: field(absolutePath, '/var/run/reboot-required', 'File whose existence asks for one.'),
  command: optional(
    filledList(argument, MAX_ARGUMENTS),
    'Program and arguments, run on the host in place of looking for path: exit code 0 asks for a reboot.',
  ),
  commandTimeout: field(duration('1s', '10m'), '1m', 'The command is ended after this long, and asks for nothing.'),
  checkEvery: field(duration('10s', '7d'), '1m', 'Time between two looks, or two runs of the command.'),
  settle: field(
    duration('0s', '1d'),
    '5m',
    'Nothing is cordoned until the file and its .pkgs have not changed for this long, so that no package run is cut off.',
  ),
});

const pool = mapping({
  name: poolName.check(z.describe('Its name. It is part of the names of its Leases.')),
  nodeSelector: optional(selector, 'Its nodes. All that no pool before it has, when left out.'),
  concurrency: field(
    countOrPercentage(0, 1000),
    1,
    'How many of its nodes may be away together. A percentage is rounded down, to 1 at least; 0 pauses the pool.',
  ),
});

const lock = section('The Leases that nodes take turns by.', {
  staleAfter: optional(
    duration('10m', '366d'),
    'A Lease held longer than this is free to others. Off when left out: it gives up that never more nodes are away than allowed.',
  ),
});

const prometheus = section('The Prometheus that alerts and health queries are asked of.', {
  url: optional(prometheusUrl, 'Its address. Nothing is asked when left out.'),
  tokenFile: optional(absolutePath, 'File with a bearer token. Read at each query.'),
  timeout: field(duration('1s', '5m'), '30s', 'A query without an answer for this long has failed.'),
});

const gates = section('What must not be in the way of a reboot. Asked again after the lock and after the drain.', {
  checkEvery: field(duration('10s', '1d'), '1m', 'Time between two askings while a reboot is wanted.'),
  patience: field(
    duration('0s', '1d'),
    '10m',
    'After the drain they may block for this long before it is undone; a cordoned node that cannot see the sentinel waits as long.',
  ),
  blockingPods: field(list(selector, MAX_SELECTORS), [], 'Pods on this node that block it.'),
  alerts: section('Alerts that block, where prometheus.url is given. A query that fails blocks, too.', {
    ignore: optional(alertPattern, 'Names of alerts that do not block.'),
    only: optional(
      alertPattern,
      "Names of alerts that alone block. Left out: all, but for the chart's own (Nodetender…).",
    ),
    firingOnly: field(flag(), false, 'Whether pending alerts do not block.'),
  }),
  maxUnhealthy: optional(
    countOrPercentage(0, 1000),
    'No reboot begins while more nodes of the pool are not Ready. The larger of 1 and 10% when left out.',
  ),
  countCordoned: field(flag(), false, 'Whether nodes that others have cordoned count as not Ready there.'),
});

const voters = {
  annotations: field(
    list(foreignAnnotation, 20),
    [],
    'Annotations of this Node that must become "true". What they were before it is asked does not count.',
  ),
  pods: field(
    list(selector, 20),
    [],
    'Pods on this node: for each selector there must be one, and all it selects must be Ready.',
  ),
};

const hooks = section('What other workloads must say yes to.', {
  before: section('Once the node is cordoned, before it is drained.', {
    ...voters,
    timeout: field(durationOrNever('1s', '30d'), '1h', 'How long is waited for them. never: however long.'),
    whenTimedOut: field(
      choice(['back-out', 'go-on']),
      'back-out',
      'What happens then: try later, or drain and reboot.',
    ),
  }),
  after: section('After the reboot, before the node takes pods again. health.timeout holds for them, too.', voters),
});

const drain = section(
  'Emptying the node before its reboot.',
  {
    delay: field(duration('0s', '1d'), '0s', 'Pause between cordon and drain, for load balancers to notice.'),
    timeout: field(durationOrNever('10s', '7d'), '30m', 'After this long it cannot finish. never: however long.'),
    podTimeout: optional(
      duration('10s', '7d'),
      'After this long for one pod it cannot finish. timeout, when left out.',
    ),
    gracePeriod: optional(duration('0s', '1d'), 'Time given to each pod to end. Its own when left out.'),
    podSelector: optional(selector, 'The pods that are evicted. All when left out.'),
    skipTerminatingAfter: optional(
      duration('1s', '7d'),
      'Pods that have been ending for longer than this are not waited for. All are when left out.',
    ),
    parallelism: field(count(1, 100), 10, 'Pods that are evicted together.'),
    evictEmptyDir: field(flag(), true, 'Whether pods with emptyDir volumes go, losing them, or stop the drain.'),
    evictUnmanaged: field(flag(), true, 'Whether pods that nothing will create again go, or stop the drain.'),
    whenStuck: field(
      choice(['back-out', 'go-on', 'stay']),
      'back-out',
      'When it cannot finish: uncordon and try later, reboot all the same, or stay cordoned and keep trying.',
    ),
  },
  ({ timeout, podTimeout }) =>
    podTimeout && timeout !== undefined && podTimeout > timeout
      ? { key: 'podTimeout', what: 'expected at most drain.timeout, found more; set both' }
      : undefined,
);

const health = section(
  'What must be well after the reboot before the node takes pods again and the lock is handed on.',
  {
    soak: field(duration('0s', '1d'), '1m', 'The node must be Ready for this long.'),
    daemonSetPods: field(flag(), true, 'Whether its DaemonSet pods must be Ready.'),
    pods: field(list(selector, MAX_SELECTORS), [], 'Pods on this node: those each selector finds must be Ready.'),
    queries: field(
      list(query, 20),
      [],
      'PromQL queries, with {{node}} for its name, that must give a value, and no 0.',
    ),
    timeout: field(duration('1m', '7d'), '30m', 'A node that is not well after this long has failed.'),
    whenFailed: field(
      choice(['stop', 'go-on']),
      'stop',
      'What happens then: keep the lock, which stops the pool, or leave the node cordoned and hand it on.',
    ),
  },
);

const marks = section('What the Node carries meanwhile.', {
  preferNoScheduleTaint: optional(
    metadataKey,
    'Key of a taint that keeps new pods away where they fit elsewhere, while a reboot is wanted and may come.',
  ),
  labelsBefore: field(list(label, 20), [], 'Labels it is given before the cordon.'),
  labelsAfter: field(list(label, 20), [], 'Labels it is given after the uncordon.'),
  leaveLoadBalancers: field(flag(), false, 'Whether load balancers of Services are told to leave it out.'),
  keepFromScaleDown: field(flag(), true, 'Whether cluster-autoscaler is told not to remove it.'),
});

export const rebootSection = section(
  'Reboots of this node when it asks for one.',
  {
    enabled: field(
      flag(),
      false,
      'Whether the agent of a cluster reboots its node. Turned off, a reboot that has not happened yet is undone.',
    ),
    sentinel,
    method: field(
      choice(['logind', 'signal', 'command']),
      'logind',
      'How: by systemd-logind on the system bus, by a signal to PID 1, or by a command on the host.',
    ),
    signal: field(count(1, 64), 39, 'The signal; 39 is SIGRTMIN+5, which systemd takes for a reboot.'),
    command: field(filledList(argument, MAX_ARGUMENTS), ['/bin/systemctl', 'reboot'], 'The command and its arguments.'),
    delay: field(duration('0s', '1d'), '0s', 'Pause between drain and reboot.'),
    deadline: field(
      duration('1m', '1d'),
      '10m',
      'A reboot that has not ended the agent after this long has failed, unless logind shows that it is coming.',
    ),
    backoff: section(
      'How long a node waits after a reboot that failed or was undone, doubling.',
      {
        first: field(duration('1s', '7d'), '10m', 'After the first failure.'),
        longest: field(duration('1s', '7d'), '6h', 'At most.'),
      },
      ({ first, longest }) =>
        first !== undefined && longest !== undefined && longest < first
          ? { key: 'longest', what: 'expected at least first, found less; set both' }
          : undefined,
    ),
    minInterval: field(
      duration('0s', '366d'),
      '1h',
      'Least time from a boot of the host, whoever has booted it, to a reboot.',
    ),
    windows: windowsSection,
    pools: field(
      list(pool, MAX_POOLS),
      [],
      'Pools of nodes; a node is of the first that fits, else of default. Control-plane nodes are a pool of their own.',
    ),
    cap: optional(
      count(1, 1000),
      'How many nodes of the cluster may be away together. 1 when left out and there are no pools, else no limit.',
    ),
    lock,
    prometheus,
    gates,
    hooks,
    drain,
    health,
    marks,
    notify: notifySection,
  },
  ({ pools, prometheus, gates, health }) => {
    const names = (pools ?? []).map(({ name }) => name);
    const double = names.find((name, index) => name !== undefined && names.indexOf(name) !== index);
    if (double !== undefined) return { key: 'pools', what: `expected each name once, found ${double} twice` };
    if (prometheus?.url !== null) return undefined;
    if (health && health.queries.length > 0) {
      return { key: 'health', what: 'expected prometheus.url beside queries, found nothing' };
    }
    const asksForAlerts = gates?.alerts && (gates.alerts.ignore || gates.alerts.only || gates.alerts.firingOnly);
    return asksForAlerts ? { key: 'gates', what: 'expected prometheus.url beside alerts, found nothing' } : undefined;
  },
);
