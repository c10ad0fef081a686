import type { Report } from '../images/report.ts';
import { nameOf } from '../images/inventory.ts';
import { bytesInWords, plural } from '../images/wording.ts';
import { countsByCode } from './json.ts';
import { shortenEnd, shortenImageName } from './shorten.ts';
import { type Column, printable, renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

interface Line {
  readonly what: 'would remove' | 'removed' | 'left' | 'failed';
  readonly name: string;
  readonly sizeBytes: number | undefined;
  readonly why: string;
}

/** What a run did or would do: a line for each image, and a summary. `needsSecondLook`: a real run would wait first. */
export function printReport(terminal: Terminal, report: Report, needsSecondLook: boolean): void {
  const lines = linesOf(report);
  if (lines.length > 0) terminal.out(renderTable(columnsFor(terminal), lines, terminal.columns));
  terminal.err(summaryOf(report));
  if (needsSecondLook) {
    terminal.err(
      'nobody has watched this node of late: a real run looks a second time 2 minutes later, or at once with --now\n',
    );
  }
  if (report.error !== undefined) terminal.err(`error: ${printable(report.error)}\n`);
}

function linesOf({ dryRun, plan, removed, skipped, failed }: Report): Line[] {
  if (dryRun) {
    return plan.remove.map(({ image, reason }) => {
      return { what: 'would remove', name: nameOf(image), sizeBytes: image.sizeBytes, why: reason };
    });
  }
  return [
    ...removed.map(({ name, sizeBytes, reason, cameBack }): Line => {
      const why = cameBack ? `${reason}; somebody pulled it again during the run` : reason;
      return { what: 'removed', name, sizeBytes, why };
    }),
    ...skipped.map(({ name, why }): Line => ({ what: 'left', name, sizeBytes: undefined, why })),
    ...failed.map(({ name, message }): Line => ({ what: 'failed', name, sizeBytes: undefined, why: message })),
  ];
}

function columnsFor(terminal: Terminal): readonly Column<Line>[] {
  return [
    {
      title: 'RESULT',
      text: ({ what }) => what,
      paint: (cell, { what }) => (what === 'failed' ? terminal.paint('red', cell) : cell),
    },
    { title: 'IMAGE', text: ({ name }) => name, shorten: shortenImageName, least: 24 },
    {
      title: 'SIZE',
      text: ({ sizeBytes }) => (sizeBytes === undefined ? '' : bytesInWords(sizeBytes)),
      align: 'right',
      dropOrder: 1,
    },
    { title: 'REASON', text: ({ why }) => why, shorten: shortenEnd, least: 24 },
  ];
}

function summaryOf(report: Report): string {
  const { dryRun, plan, removed, skipped, failed, durationMs, outcome } = report;
  const kept = Object.entries(countsByCode(plan.keep)).sort(([, one], [, other]) => other - one);
  const reasons = kept.map(([code, count]) => `${count} ${code}`).join(', ');
  const keptLine = `${plural(plan.keep.length, 'image')} kept${reasons === '' ? '' : `: ${reasons}`}\n`;
  if (dryRun) {
    const sizeBytes = plan.remove.reduce((sum, { image }) => sum + image.sizeBytes, 0);
    return `\n${plural(plan.remove.length, 'image')} would be removed, ${bytesInWords(sizeBytes)} by listed size; nothing was changed\n${keptLine}`;
  }
  const counts = [
    `${plural(removed.length, 'image')} removed`,
    skipped.length > 0 ? `${skipped.length} left` : '',
    failed.length > 0 ? `${failed.length} failed` : '',
  ].filter(Boolean);
  const how = outcome === 'stopped' ? ', stopped' : '';
  return `\n${counts.join(', ')} in ${(durationMs / 1000).toFixed(1)} s${how}\n${bytesLine(report)}${keptLine}`;
}

function bytesLine({ estimatedFreedBytes, measuredFreedBytes, removed }: Report): string {
  if (removed.length === 0) return '';
  const measured =
    measuredFreedBytes === undefined
      ? 'the disk could not be measured'
      : `free space changed by ${measuredFreedBytes < 0 ? '-' : '+'}${bytesInWords(Math.abs(measuredFreedBytes))}, measured`;
  return `${bytesInWords(estimatedFreedBytes)} by listed size (compressed, shared layers counted each time); ${measured}\n`;
}
