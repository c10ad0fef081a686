import { describe, expect, it } from 'vitest';
import { shortenEnd, shortenMiddle } from '../../../agent/cli/shorten.ts';
import { renderTable } from '../../../agent/cli/table.ts';
import type { Column } from '../../../agent/cli/table.ts';

interface Fruit {
  readonly name: string;
  readonly weight: string;
  readonly why: string;
}

const columns: readonly Column<Fruit>[] = [
  { title: 'NAME', text: ({ name }) => name, shorten: shortenMiddle, least: 7 },
  { title: 'WEIGHT', text: ({ weight }) => weight, align: 'right', dropOrder: 1 },
  { title: 'WHY', text: ({ why }) => why, shorten: shortenEnd, least: 6 },
];
const rows: readonly Fruit[] = [
  { name: 'apple', weight: '150 g', why: 'it fell' },
  { name: 'watermelon-of-the-south', weight: '9 kg', why: 'somebody carried it here' },
];

describe('a table', () => {
  it('is as wide as its cells where no width is given', () => {
    expect(renderTable(columns, rows)).toBe(
      [
        'NAME                     WEIGHT  WHY',
        'apple                     150 g  it fell',
        'watermelon-of-the-south    9 kg  somebody carried it here',
        '',
      ].join('\n'),
    );
  });

  it('shortens cells to fit the width', () => {
    expect(renderTable(columns, rows, 40)).toBe(
      [
        'NAME             WEIGHT  WHY',
        'apple             150 g  it fell',
        'waterme…e-south    9 kg  somebody carri…',
        '',
      ].join('\n'),
    );
  });

  it('gives what one column does not need to the other', () => {
    const [short] = rows;
    expect(renderTable(columns, short ? [short] : [], 40)).toBe('NAME   WEIGHT  WHY\napple   150 g  it fell\n');
  });

  it('leaves out columns that may go when the width holds no more', () => {
    expect(renderTable(columns, rows, 16).split('\n')[0]).toBe('NAME     WHY');
  });

  it('stays readable, and too wide, where nothing more can go', () => {
    expect(renderTable(columns, rows, 3).split('\n')[2]).toBe('wat…uth  someb…');
  });

  it('has only its title line without rows', () => {
    expect(renderTable(columns, [])).toBe('NAME  WEIGHT  WHY\n');
  });

  it('lets no cell steer the terminal', () => {
    const table = renderTable(columns, [{ name: '\u001B[2Jgone\u009B', weight: '\n', why: '\u0007' }]);
    expect(table).toBe('NAME      WEIGHT  WHY\n?[2Jgone?       ?  ?\n'.replace('NAME      ', 'NAME       '));
  });

  it('paints cells without counting the paint as width', () => {
    const painted = columns.map((column) => ({ ...column, paint: (cell: string) => `<${cell}>` }));
    expect(renderTable(painted, rows.slice(0, 1))).toBe('NAME   WEIGHT  WHY\n<apple>  < 150 g>  <it fell>\n');
  });
});
