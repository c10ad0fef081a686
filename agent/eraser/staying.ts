import type { KeepCode, KeepDecision, Plan } from '../images/plan.ts';
import { removeMatches } from '../images/matching.ts';
import { subjectOf } from '../images/references.ts';
import type { Report } from '../images/report.ts';
import type { Rule } from '../images/rules.ts';
import type { ImageListResult } from '../cluster/records.ts';

/** Why an image that an ImageList names may stay for now: another run, now or later, would remove it. */
const putOff: ReadonlySet<KeepCode> = new Set(['just-appeared', 'nameless-recently', 'over-budget', 'backing-off']);
/** Of those, what time alone cures. */
const young: ReadonlySet<KeepCode> = new Set(['just-appeared', 'nameless-recently']);

/** Images that an ImageList names and that a run left. */
export interface Staying {
  /** Those that an entry other than `*` names: that means what nothing uses, and on every node there is much that it leaves. */
  readonly inUse: readonly KeepDecision[];
  /** They were there when the list came, and nothing but time, budget or an earlier failure keeps them. */
  readonly putOff: readonly KeepDecision[];
}

/**
 * `firstLookMs` is when the node was looked at first for this list. What has been seen first since then was pulled after
 * somebody asked: on a busy node there is always something.
 */
export function stayingOf(rules: readonly Rule[], { keep }: Plan, firstLookMs: number): Staying {
  const naming = rules.filter(({ kind }) => kind !== 'every');
  const named = ({ image }: KeepDecision, by: readonly Rule[]): boolean =>
    by.some((rule) => removeMatches(rule, subjectOf(image)));
  return {
    inUse: keep.filter((decision) => decision.code === 'in-use' && named(decision, naming)),
    putOff: keep.filter(
      (decision) => putOff.has(decision.code) && !(decision.image.firstSeenMs > firstLookMs) && named(decision, rules),
    ),
  };
}

/** After how long another run removes some of what stays; undefined where none does. `floorMs` is that of the policy. */
export function nextRunMs(report: Report, { putOff: left }: Staying, floorMs: number): number | undefined {
  if (report.outcome !== 'done') return undefined;
  // A run that got nowhere spends its budget on the same images again.
  const isGettingOn = report.removed.length + report.failed.length > 0;
  if (isGettingOn && left.some(({ code }) => code === 'over-budget')) return 0;
  const waiting = left.filter(({ code }) => young.has(code)).map(({ image }) => image);
  if (waiting.length === 0) return undefined;
  const lastSinceMs = Math.max(...waiting.map((image) => Math.max(image.firstSeenMs, image.namelessSinceMs ?? 0)));
  // No longer than the floor, whatever the clock was set to meanwhile.
  return Math.max(0, Math.min(floorMs, lastSinceMs + floorMs - report.plan.plannedAtMs)) + marginMs;
}

/** The clock of the node is slewed now and then, and a run that comes a moment too early comes in vain. */
const marginMs = 1_000;

/** What the node reports when no run follows. Images in use are no failure. */
export function outcomeOf({ outcome, failed }: Report, { putOff: left }: Staying): ImageListResult['outcome'] {
  return outcome === 'done' && failed.length === 0 && left.length === 0 ? 'success' : 'failed';
}
