import type { Blocker, Mark, Question } from '../../../agent/reboot/state.ts';

/** What a real node would have around the machine: a host, a Node object, one slot, others who are asked. Plain data; see stage.ts. */
export interface Surroundings {
  readonly host: {
    boot: number;
    bootedAtMs: number;
    sentinel:
      | {
          sinceMs: number;
          changedAtMs: number;
          kind: 'sentinel' | 'command';
          packages: string[];
          /** By the wall clock of that moment. */
          writtenAtMs: number | undefined;
        }
      | undefined;
    /** Where it does not lie on a tmpfs. */
    sentinelSurvives: boolean;
    sentinelUnseen: boolean;
    /** What comes of an order to reboot. */
    onReboot: 'reboots' | 'stays' | 'hangs' | { readonly refuses: string };
    goingDown: boolean;
    busUnreachable: boolean;
  };
  readonly node: {
    uid: number;
    unschedulable: boolean;
    /** As the API server's record of writers has it. */
    cordonedBySomebody: boolean;
    ready: boolean;
    readySinceMs: number;
    reportedBoot: number;
    hold: string | undefined;
    request: string | undefined;
    marks: Mark[];
    labels: Map<string, string>;
    annotations: Map<string, string>;
  };
  readonly slot: {
    holder: string | undefined;
    /** The last write before the reboot is refused, and no other. */
    unconfirmable: boolean;
  };
  paused: string | false;
  window: { open: boolean; changesAtMs: number | undefined };
  /** Who says no, by question. */
  readonly blockers: Map<Question, Blocker[]>;
  readonly pods: { count: number; stuck: Blocker | undefined; leaveWithinMs: number; giveUpAfterMs: number };
  /** Neither reads nor writes get through. */
  apiDown: boolean;
}

/** A calm node, an hour after its boot. */
export function calm(nowMs: number): Surroundings {
  return {
    host: {
      boot: 1,
      bootedAtMs: nowMs - 3_600_000,
      sentinel: undefined,
      sentinelSurvives: false,
      sentinelUnseen: false,
      onReboot: 'reboots',
      goingDown: false,
      busUnreachable: false,
    },
    node: {
      uid: 1,
      unschedulable: false,
      cordonedBySomebody: false,
      ready: true,
      readySinceMs: nowMs - 3_600_000,
      reportedBoot: 1,
      hold: undefined,
      request: undefined,
      marks: [],
      labels: new Map(),
      annotations: new Map(),
    },
    slot: { holder: undefined, unconfirmable: false },
    paused: false,
    window: { open: true, changesAtMs: undefined },
    blockers: new Map(),
    pods: { count: 3, stuck: undefined, leaveWithinMs: 30_000, giveUpAfterMs: 1_800_000 },
    apiDown: false,
  };
}

/** One line on how things stand. */
export function summary({ host, node, slot }: Surroundings): string {
  const record = node.annotations.get('reboot-status');
  const ours = record !== undefined && /"cordonedByUs":true/.test(record);
  const cordon = node.unschedulable ? `cordoned${ours ? ' by us' : ''}` : 'takes pods';
  const phase = node.labels.get('nodetender.dev/state') ?? 'none';
  const marks = node.marks.length === 0 ? '' : `, ${node.marks.join(' ')}`;
  return `boot ${host.boot}, ${node.ready ? 'Ready' : 'not Ready'}, ${cordon}${marks}, label ${phase}, slot ${slot.holder === undefined ? 'free' : `held by ${slot.holder}`}`;
}
