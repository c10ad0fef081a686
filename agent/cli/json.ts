import type { Decision, Plan } from '../images/plan.ts';
import type { Report } from '../images/report.ts';

/** Where a plan comes from. */
export interface JsonSource {
  readonly endpoint: string;
  readonly history: string;
}

/** A plan for programs. Times are ISO 8601 in UTC, null where not known; sizes are bytes. */
export function toJson(source: JsonSource, { plannedAtMs, keep, remove }: Plan, agesKnown: boolean): string {
  const images = [...remove, ...keep].map((decision) => imageToJson(decision, agesKnown));
  return `${JSON.stringify({ ...source, takenAt: isoTime(plannedAtMs), images }, undefined, 2)}\n`;
}

/** A run's report for programs. */
export function reportToJson(source: JsonSource, report: Report): string {
  const { trigger, dryRun, startedAtMs, durationMs, outcome, error, removed, skipped, failed, plan } = report;
  const { estimatedFreedBytes, measuredFreedBytes } = report;
  const body = {
    ...source,
    trigger,
    dryRun,
    startedAt: isoTime(startedAtMs),
    durationSeconds: durationMs / 1000,
    outcome,
    error: error ?? null,
    estimatedFreedBytes,
    measuredFreedBytes: measuredFreedBytes ?? null,
    planned: plan.remove.map(({ image: { id, tags, digests, sizeBytes }, code, reason }) => {
      return { id, tags, digests, sizeBytes, reason: { code, text: reason } };
    }),
    kept: countsByCode(plan.keep),
    removed,
    skipped,
    failed,
  };
  return `${JSON.stringify(body, undefined, 2)}\n`;
}

/** How many decisions carry each code. */
export function countsByCode(decisions: readonly Decision[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { code } of decisions) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}

function imageToJson({ image, verdict, code, reason }: Decision, agesKnown: boolean): unknown {
  const { id, tags, digests, sizeBytes, pinned, users, firstSeenMs, lastUsedMs } = image;
  return {
    id,
    tags,
    digests,
    sizeBytes,
    pinned,
    users,
    firstSeen: agesKnown ? isoTime(firstSeenMs) : null,
    lastUsed: agesKnown && lastUsedMs !== undefined ? isoTime(lastUsedMs) : null,
    verdict,
    reason: { code, text: reason },
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
