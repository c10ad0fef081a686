import type { Clock } from '../../clock.ts';
import { nodeAnnotations } from '../../cluster/names.ts';
import type { NodeView } from '../../cluster/node.ts';
import { maxRequestLength } from '../../cluster/records.ts';
import type { Config } from '../../config/load.ts';
import type { Boot, NeedSource } from '../../host/port.ts';
import { marksOn } from '../../reboot/marks.ts';
import type { LockFacts, Observation } from '../../reboot/state.ts';
import { windowAt } from '../../reboot/window.ts';
import type { Lasting } from './lasting.ts';

/** What has been gathered, each from where it is known. */
export interface Gathered extends Pick<
  Observation,
  'answers' | 'drain' | 'rebootCall' | 'preparingForShutdown' | 'paused'
> {
  /** Undefined while the Leases are not followed. */
  readonly lock: { facts(): LockFacts | undefined } | undefined;
  readonly boot: Boot;
  readonly need: NeedSource;
  readonly node: NodeView | undefined;
  /** For how long the Node has been seen Ready in this boot. */
  readonly readyForMs: number;
  /** Each says for how long what it is told has been so. */
  readonly unknown: Readonly<Record<keyof Observation['unknownForMs'], Lasting>>;
  readonly recordedForMs: number;
  readonly config: Pick<Config['reboot'], 'windows' | 'marks'>;
  readonly clock: Clock;
}

/** The facts of this moment, as the machine is told them. */
export function observationOf(gathered: Gathered): Observation {
  const { boot, need, node, readyForMs, unknown, recordedForMs, config, clock } = gathered;
  const { answers, drain, rebootCall, preparingForShutdown, paused } = gathered;
  const lock = gathered.lock?.facts();
  const nowMs = clock.nowMs();
  const sentinel = need.current();
  const { open, reason, changesAtMs } = windowAt(config.windows, nowMs);
  return {
    nowMs,
    bootId: boot.bootId,
    uptimeMs: boot.uptimeMs,
    sentinel,
    paused,
    unknownForMs: {
      sentinel: unknown.sentinel.look(sentinel === undefined),
      pause: unknown.pause.look(paused === undefined),
      slots: unknown.slots.look(gathered.lock !== undefined && lock === undefined),
    },
    recordedForMs,
    node: node && nodeFacts(node, readyForMs, config.marks.preferNoScheduleTaint),
    lock,
    window: { open, reason, changesAtMs },
    answers,
    drain,
    rebootCall,
    preparingForShutdown,
  };
}

function nodeFacts(node: NodeView, readyForMs: number, taintKey: string | undefined): NonNullable<Observation['node']> {
  const { uid, unschedulable, cordonedBySomebody, bootId, ready, annotations, labels, softTaints, scaleDownDisabled } =
    node;
  const request = annotations.get(nodeAnnotations.reboot);
  return {
    uid,
    unschedulable,
    cordonedBySomebody,
    reportedBootId: bootId,
    ready,
    readyForMs,
    hold: annotations.get(nodeAnnotations.hold),
    request: request !== undefined && whyNoRequest(request) === undefined ? request : undefined,
    marks: marksOn(
      {
        taints: softTaints.map((key) => ({ key, effect: 'PreferNoSchedule' })),
        labels,
        annotations: new Map([['cluster-autoscaler.kubernetes.io/scale-down-disabled', String(scaleDownDisabled)]]),
      },
      taintKey,
    ),
  };
}

/** What is wrong with a value of `nodetender.dev/reboot`; undefined for one that may ask. */
export function whyNoRequest(value: string): string | undefined {
  const expected = 'expected any new word, such as the time of day, or one that begins with now';
  const word = value.trim();
  if (word === '') return `${expected}, found nothing`;
  // A longer one has no room in the record.
  if (value.length > maxRequestLength) return `${expected}, of at most ${maxRequestLength} characters`;
  if (noes.has(word.toLowerCase())) return `${expected}, found ${word}; to take a request back, remove the annotation`;
  return undefined;
}

/** Whoever types one of these wants no reboot. */
const noes: ReadonlySet<string> = new Set(['false', 'no', 'off', '0', 'none', 'never', 'null', 'cancel']);
