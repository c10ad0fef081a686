import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { DrainOutcome } from '../reboot/drain/drain.ts';
import { type EvictionResult, evictionResults } from '../reboot/drain/eviction.ts';
import type { HeldSlot } from '../reboot/lock/holders.ts';
import { type Phase, phases, type Reason, type ReasonCode, type State } from '../reboot/state.ts';

type DrainStatus = DrainOutcome['status'];
const drainOutcomes = Object.keys({
  drained: 0,
  refused: 0,
  stuck: 0,
  uncordoned: 0,
  stopped: 0,
} satisfies Record<DrainStatus, 0>);

/** What became of a message: given up, pushed out by newer ones, or without a target any more. */
type NotifyOutcome = 'sent' | 'dropped' | 'overflow' | 'removed';
const notifyOutcomes = Object.keys({ sent: 0, dropped: 0, overflow: 0, removed: 0 } satisfies Record<NotifyOutcome, 0>);

/**
 * What a try can fail by, and what a node that does not come back well has. Each is there from 0: of a series that begins with its
 * first failure, `increase` sees none.
 */
const failureCodes = [
  'gate-blocks',
  'facts-missing',
  'hooks-timed-out',
  'uncordoned-by-somebody',
  'slot-lost',
  'slot-unconfirmed',
  'drain-impossible',
  'drain-failed',
  'reboot-refused',
  'reboot-did-not-happen',
  'unhealthy',
] as const satisfies readonly ReasonCode[];

/** From a slot that is free at once to a drain that a budget holds up for hours. */
const phaseSeconds = [1, 5, 15, 60, 300, 900, 1800, 3600, 4 * 3600, 24 * 3600];

/** A look that is on its way does not say that nothing is in the way. */
const saysNothing: ReadonlySet<ReasonCode> = new Set(['asking', 'unknown-facts']);

/**
 * What Prometheus is told of reboots. Gauges whose value is not known are absent, and all of them where reboots are off.
 * Counters begin anew with each life of the agent, which a reboot ends: what must outlive it is a gauge.
 */
export class RebootMetrics {
  readonly #counter: ReturnType<typeof counters>;
  readonly #gauge: ReturnType<typeof gauges>;
  readonly #phaseSeconds: Histogram<'phase'>;
  readonly #drainSeconds: Histogram;
  #entered: { readonly phase: Phase; readonly sinceMs: number } | undefined;

  constructor(registry: Registry) {
    this.#counter = counters(registry);
    this.#gauge = gauges(registry);
    this.#phaseSeconds = new Histogram({
      name: 'nodetender_reboot_phase_duration_seconds',
      help: 'How long each phase lasted that has ended. Of the reboot itself: from the order to the start of the agent.',
      labelNames: ['phase'],
      buckets: phaseSeconds,
      registers: [registry],
    });
    this.#drainSeconds = new Histogram({
      name: 'nodetender_reboot_drain_duration_seconds',
      help: 'How long drains took, whatever their outcome.',
      buckets: phaseSeconds,
      registers: [registry],
    });
    for (const outcome of drainOutcomes) this.#counter.drains.inc({ outcome }, 0);
    for (const result of evictionResults) this.#counter.evictions.inc({ result }, 0);
    for (const outcome of notifyOutcomes) this.#counter.notifications.inc({ outcome }, 0);
    for (const reason of failureCodes) this.#counter.failures.inc({ reason }, 0);
    const { required, requiredSince, possible, phaseSince, unhealthy, consecutiveFailures, lastReboot } = this.#gauge;
    for (const gauge of [required, requiredSince, possible, phaseSince, unhealthy, consecutiveFailures, lastReboot])
      gauge.remove();
  }

  /** After each step of the machine. */
  stepped(before: State, after: State, reason: Reason): void {
    this.#show(after);
    this.#time(before, after);
    if (after.failures > before.failures || entersUnhealthy(before, after))
      this.#counter.failures.inc({ reason: after.reason.code });
    if (saysNothing.has(reason.code)) return;
    this.#gauge.blocked.reset();
    for (const gate of reason.gates ?? []) this.#gauge.blocked.set({ gate }, 1);
  }

  drainEnded(outcome: DrainStatus, durationMs: number): void {
    this.#counter.drains.inc({ outcome });
    this.#drainSeconds.observe(durationMs / 1000);
  }

  evictionAnswered(result: EvictionResult): void {
    this.#counter.evictions.inc({ result });
  }

  rebootPossible(possible: boolean): void {
    this.#gauge.possible.set(possible ? 1 : 0);
  }

  notified(outcome: NotifyOutcome): void {
    this.#counter.notifications.inc({ outcome });
  }

  /** Undefined: who holds slots is not followed. */
  slotsSeen(held: readonly HeldSlot[] | undefined): void {
    const { heldSeconds, heldProblem } = this.#gauge;
    heldSeconds.reset();
    heldProblem.reset();
    for (const { slot, node, heldSeconds: seconds, problem } of held ?? []) {
      const which = { pool: slot.pool, slot: slot.name, node };
      heldSeconds.set(which, seconds);
      if (problem !== undefined) heldProblem.set({ ...which, problem: problem.code }, 1);
    }
  }

  #show({ phase, reason, need, sinceMs, failures, lastReboot }: State): void {
    const gauge = this.#gauge;
    // What is being looked at, or has just become better, is no proof yet: it stays unhealthy until it has one.
    if (reason.code === 'unhealthy') gauge.unhealthy.set(1);
    else if (phase !== 'verifying') gauge.unhealthy.set(0);
    for (const each of phases) gauge.phase.set({ phase: each }, each === phase ? 1 : 0);
    gauge.phaseSince.set(sinceMs / 1000);
    gauge.required.set(need === undefined ? 0 : 1);
    gauge.consecutiveFailures.set(failures);
    if (need === undefined) gauge.requiredSince.remove();
    else gauge.requiredSince.set(need.sinceMs / 1000);
    if (lastReboot === undefined) gauge.lastReboot.remove();
    else gauge.lastReboot.set(lastReboot.atMs / 1000);
  }

  /** By the times on the record, so that a phase that the agent did not live through counts as well. */
  #time(before: State, after: State): void {
    this.#entered ??= before;
    const { phase, sinceMs } = this.#entered;
    if (phase === after.phase && sinceMs === after.sinceMs) return;
    // A phase without a need lasts for weeks; and the clock may have been set back.
    if (phase !== 'idle' && after.sinceMs >= sinceMs)
      this.#phaseSeconds.observe({ phase }, (after.sinceMs - sinceMs) / 1000);
    this.#entered = after;
  }
}

/** No try has failed, but the node does not come back well. */
function entersUnhealthy(before: State, after: State): boolean {
  return after.reason.code === 'unhealthy' && before.reason.code !== 'unhealthy';
}

function counters(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter<L>({ name: `nodetender_${name}_total`, help, labelNames, registers: [registry] });
  return {
    drains: counter('reboot_drains', 'Drains of this node for a reboot, by how they ended.', 'outcome'),
    evictions: counter('reboot_evictions', 'Answers to requests to evict a pod, by what they said.', 'result'),
    failures: counter(
      'reboot_failures',
      'Reboots that failed or were undone, and nodes that did not come back well, by reason.',
      'reason',
    ),
    notifications: counter(
      'notifications',
      'Messages to people, by what became of them, one for each target.',
      'outcome',
    ),
  };
}

function gauges(registry: Registry) {
  const gauge = <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
    new Gauge<L>({ name: `nodetender_${name}`, help, labelNames, registers: [registry] });
  return {
    required: gauge('reboot_required', '1 while this node needs a reboot. Absent where reboots are off.'),
    requiredSince: gauge('reboot_required_since_timestamp_seconds', 'Since when it does. Absent while it does not.'),
    possible: gauge('reboot_possible', '0 while the host would deny a reboot, as its security policy may.'),
    phase: gauge(
      'reboot_phase',
      '1 for how far the reboot of this node is. The sum of `waiting` over all nodes is the queue.',
      'phase',
    ),
    phaseSince: gauge('reboot_phase_since_timestamp_seconds', 'When that phase began.'),
    blocked: gauge(
      'reboot_blocked',
      '1 for each gate that is in the way of a reboot: hold, pause, sentinel, leases, settle, min-interval, window, slot, host, inhibitors, pool-health, pods, prometheus, drain, budget, the name of a hook.',
      'gate',
    ),
    unhealthy: gauge(
      'reboot_unhealthy',
      '1 while this node has not come back well from its reboot within health.timeout. Absent where reboots are off.',
    ),
    consecutiveFailures: gauge('reboot_consecutive_failures', 'Reboots in a row that failed or were undone.'),
    lastReboot: gauge(
      'last_reboot_timestamp_seconds',
      'When the last reboot was proven by a new boot ID. Absent before one.',
    ),
    heldSeconds: gauge(
      'lock_held_seconds',
      'For how long a node has held a slot, as every agent says that follows the slots: those that hold, wait, or have seen that something is wrong.',
      'pool',
      'slot',
      'node',
    ),
    heldProblem: gauge(
      'lock_problem',
      '1 where something is wrong with a held slot, such as a holder that never came back.',
      'pool',
      'slot',
      'node',
      'problem',
    ),
  };
}
