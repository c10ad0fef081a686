import { nameOf } from '../images/inventory.ts';
import type { Decision } from '../images/plan.ts';
import { bytesInWords } from '../images/wording.ts';
import { shortenEnd, shortenImageName, shortId } from './shorten.ts';
import type { Column } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface ImageColumnsOptions {
  readonly nowMs: number;
  /** False: there is no history, so ages are not known. */
  readonly agesKnown: boolean;
  /** Names and IDs in full. */
  readonly wide: boolean;
  readonly terminal: Terminal;
}

/** The columns of a table of images and what is to become of them. */
export function imageColumns({ nowMs, agesKnown, wide, terminal }: ImageColumnsOptions): readonly Column<Decision>[] {
  const age = (thenMs: number): string => (agesKnown ? shortDuration(nowMs - thenMs) : '?');
  const lastUse = ({ image }: Decision): string => {
    if (image.users.some(({ kind }) => kind !== 'runtime')) return 'now';
    if (image.lastUsedMs !== undefined) return age(image.lastUsedMs);
    return agesKnown ? 'never' : '?';
  };
  return [
    wide
      ? { title: 'IMAGE', text: ({ image }) => [...image.tags, ...image.digests].join(',') || image.id }
      : { title: 'IMAGE', text: ({ image }) => nameOf(image), shorten: shortenImageName, least: 24 },
    { title: 'ID', text: ({ image }) => (wide ? image.id : shortId(image.id)), dropOrder: 3 },
    { title: 'SIZE', text: ({ image }) => bytesInWords(image.sizeBytes), align: 'right', dropOrder: 1 },
    { title: 'AGE', text: ({ image }) => age(image.firstSeenMs), align: 'right', dropOrder: 2 },
    { title: 'LAST USE', text: lastUse, align: 'right', dropOrder: 4 },
    {
      title: 'VERDICT',
      text: ({ verdict }) => verdict,
      paint: (cell, { verdict }) => (verdict === 'remove' ? terminal.paint('yellow', cell) : cell),
    },
    { title: 'REASON', text: ({ reason }) => reason, shorten: shortenEnd, least: 24 },
  ];
}

/** `45s`, `12m`, `5h`, `9d`: the largest unit alone, rounded down. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
