import { bytesInWords } from '../images/wording.ts';
import { shortDuration } from './columns.ts';
import type { NodeSummary } from './nodesummary.ts';
import { shortenEnd } from './shorten.ts';
import type { Column } from './table.ts';
import type { Terminal } from './terminal.ts';

/** As kubectl shows what is not there. */
const NONE = '<none>';

export interface NodeColumnsOptions {
  readonly nowMs: number;
  readonly wide: boolean;
  readonly terminal: Terminal;
}

/** The columns of a table of nodes and their agents. */
export function nodeColumns({ nowMs, wide, terminal }: NodeColumnsOptions): readonly Column<NodeSummary>[] {
  const narrow: readonly Column<NodeSummary>[] = [
    { title: 'NAME', text: ({ name }) => name },
    { title: 'AGENT', text: ({ status }) => status?.version ?? NONE, dropOrder: 4 },
    {
      title: 'STATE',
      text: stateInWords,
      paint: (cell, node) => (needsAttention(node) ? terminal.paint('yellow', cell) : cell),
    },
    { title: 'LAST CLEAN', text: (node) => lastCleanInWords(node, nowMs) },
    { title: 'IMAGES', text: ({ status }) => number(status?.images), align: 'right', dropOrder: 5 },
    { title: 'REMOVED', text: removedInWords, align: 'right', dropOrder: 6 },
    { title: 'FREED', text: freedInWords, align: 'right', dropOrder: 2 },
    { title: 'DISK', text: ({ status }) => percent(status?.diskUsedPercent), align: 'right', dropOrder: 3 },
    { title: 'REBOOT', text: rebootInWords, dropOrder: 1 },
    { title: 'HOLD', text: holdInWords, ...(wide ? {} : { shorten: shortenEnd, least: 12 }) },
  ];
  if (!wide) return narrow;
  return [
    ...narrow,
    { title: 'IMAGE SIZE', text: ({ status }) => bytes(status?.imageBytes), align: 'right' },
    { title: 'FAILED', text: ({ lastClean }) => number(lastClean?.failed), align: 'right' },
    { title: 'TRIGGER', text: ({ lastClean }) => lastClean?.trigger ?? NONE },
    { title: 'NEXT RUN', text: ({ status }) => nextRunInWords(status?.nextRunAt, nowMs) },
    { title: 'WAITING FOR', text: ({ status }) => status?.waiting ?? NONE },
    { title: 'LAST REBOOT', text: (node) => lastRebootInWords(node, nowMs) },
  ];
}

/** `idle`, `cleaning,NotReady`: more than one word where more than one thing is to be known, as kubectl does. */
export function stateInWords({ status, ready, requested, problems }: NodeSummary): string {
  const said = status?.state ?? (problems.length > 0 ? 'unreadable' : NONE);
  return [said, requested === undefined ? '' : 'requested', ready ? '' : 'NotReady'].filter(Boolean).join(',');
}

function needsAttention({ status, ready, hold }: NodeSummary): boolean {
  return status === undefined || !ready || hold !== undefined;
}

function lastCleanInWords({ lastClean }: NodeSummary, nowMs: number): string {
  if (lastClean === undefined) return NONE;
  const age = shortDuration(nowMs - Date.parse(lastClean.startedAt));
  const { dryRun, outcome } = lastClean;
  const remarks = [dryRun ? 'dry run' : '', outcome === 'done' || outcome === 'enough' ? '' : outcome].filter(Boolean);
  return remarks.length === 0 ? age : `${age} (${remarks.join(', ')})`;
}

/** In parentheses where nothing has gone yet. */
function removedInWords({ lastClean }: NodeSummary): string {
  if (lastClean === undefined) return NONE;
  return lastClean.dryRun ? `(${lastClean.removed})` : String(lastClean.removed);
}

/** With `~` where it is the images' listed size and not what the disk says. */
function freedInWords({ lastClean }: NodeSummary): string {
  if (lastClean === undefined) return NONE;
  const { dryRun, estimatedFreedBytes, measuredFreedBytes } = lastClean;
  if (dryRun) return `(~${bytesInWords(estimatedFreedBytes)})`;
  if (measuredFreedBytes === null) return `~${bytesInWords(estimatedFreedBytes)}`;
  // Less than nothing: others wrote more meanwhile.
  return `${measuredFreedBytes < 0 ? '-' : ''}${bytesInWords(Math.abs(measuredFreedBytes))}`;
}

/** The phase, and `requested` where no agent has taken a request up. */
function rebootInWords({ reboot, rebootRequested }: NodeSummary): string {
  const phase = reboot === undefined || reboot.phase === 'idle' ? '' : reboot.phase;
  return [phase, rebootRequested === undefined ? '' : 'requested'].filter(Boolean).join(',') || NONE;
}

function holdInWords({ hold }: NodeSummary): string {
  return hold === '' ? 'yes' : (hold ?? NONE);
}

function nextRunInWords(nextRunAt: string | null | undefined, nowMs: number): string {
  return typeof nextRunAt === 'string' ? shortDuration(Date.parse(nextRunAt) - nowMs) : NONE;
}

function lastRebootInWords({ reboot }: NodeSummary, nowMs: number): string {
  return reboot?.lastReboot === undefined ? NONE : shortDuration(nowMs - reboot.lastReboot.atMs);
}

function number(value: number | null | undefined): string {
  return typeof value === 'number' ? String(value) : NONE;
}

function bytes(value: number | null | undefined): string {
  return typeof value === 'number' ? bytesInWords(value) : NONE;
}

function percent(value: number | null | undefined): string {
  return typeof value === 'number' ? `${Math.round(value)}%` : NONE;
}
