import type { LastClean } from '../cluster/records.ts';
import type { EventReason } from '../eventreasons.ts';
import { nameOf } from '../images/inventory.ts';
import type { Report } from '../images/report.ts';
import { bytesInWords, durationInWords, plural } from '../images/wording.ts';

/** What a person who looks at the Node may want to see of a run, at most; all of it is in the log. */
const maxNames = 50;
/** As many names as still read as a sentence. */
const maxNamesInNote = 5;
/** events.k8s.io/v1 refuses longer notes. */
const maxNoteBytes = 1024;
const maxNameLength = 120;

/** The record of a run for the annotation; `request` is the value that is done with it. */
export function lastCleanOf(report: Report, request: string | undefined): LastClean {
  const { trigger, dryRun, startedAtMs, durationMs, outcome, error, plan } = report;
  const names = namesOf(report);
  const kept: Record<string, number> = {};
  for (const { code } of plan.keep) kept[code] = (kept[code] ?? 0) + 1;
  return {
    request: request ?? null,
    trigger,
    dryRun,
    startedAt: new Date(startedAtMs).toISOString(),
    durationSeconds: Math.round(durationMs) / 1000,
    outcome,
    error: error ?? null,
    removed: names.length,
    failed: report.failed.length,
    skipped: report.skipped.length,
    kept,
    estimatedFreedBytes: dryRun ? estimatedBytes(report) : report.estimatedFreedBytes,
    measuredFreedBytes: report.measuredFreedBytes ?? null,
    images: names.slice(0, maxNames),
  };
}

/** One Event for each run. */
export interface RunNote {
  readonly type: 'Normal' | 'Warning';
  readonly reason: EventReason;
  /** At most 1024 bytes. */
  readonly note: string;
}

export function runNote(report: Report): RunNote {
  const { trigger, dryRun, outcome, error, durationMs } = report;
  const names = namesOf(report);
  const count = plural(names.length, 'image');
  const did = dryRun
    ? `Dry run (${trigger}): would remove ${count}, ${bytesInWords(estimatedBytes(report))}`
    : `Removed ${count}, ${freedInWords(report)}, in ${durationInWords(Math.max(1000, durationMs))} (${trigger})`;
  const left = [
    report.failed.length > 0 ? `${report.failed.length} failed` : '',
    report.skipped.length > 0 ? `${report.skipped.length} left after all` : '',
    `${report.plan.keep.length} kept`,
  ].filter((part) => part !== '');
  const why = error === undefined ? '' : ` The run could not go on: ${error}.`;
  return {
    type: outcome === 'failed' || report.failed.length > 0 ? 'Warning' : 'Normal',
    reason: reasonOf(report),
    note: boundedNote(`${did}; ${left.join(', ')}.${why}${firstNames(names)}`),
  };
}

/** Cuts a note to what the API server takes, between characters. */
export function boundedNote(note: string): string {
  if (Buffer.byteLength(note) <= maxNoteBytes) return note;
  const cut = Buffer.from(note).subarray(0, maxNoteBytes - 3);
  // What is left of a character that was cut through decodes to U+FFFD.
  return `${cut.toString('utf8').replace(/\uFFFD+$/, '')}…`;
}

function reasonOf({ outcome, dryRun }: Report): RunNote['reason'] {
  if (outcome === 'failed') return 'ImageCleaningFailed';
  if (outcome === 'stopped') return 'ImageCleaningStopped';
  return dryRun ? 'ImagesCleanedDryRun' : 'ImagesCleaned';
}

/** What went, or would have. */
function namesOf({ dryRun, plan, removed }: Report): string[] {
  return dryRun ? plan.remove.map(({ image }) => nameOf(image)) : removed.map(({ name }) => name);
}

function estimatedBytes({ plan }: Report): number {
  return plan.remove.reduce((sum, { image }) => sum + image.sizeBytes, 0);
}

function freedInWords({ measuredFreedBytes, estimatedFreedBytes }: Report): string {
  // Others write to the disk meanwhile: then only the estimate says something.
  return measuredFreedBytes !== undefined && measuredFreedBytes > 0
    ? `${bytesInWords(measuredFreedBytes)} freed`
    : `about ${bytesInWords(estimatedFreedBytes)}`;
}

function firstNames(names: readonly string[]): string {
  if (names.length === 0) return '';
  const first = names.slice(0, maxNamesInNote).map((name) => name.slice(0, maxNameLength));
  const more = names.length - first.length;
  return ` ${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
