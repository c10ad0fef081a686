export interface Column<Row> {
  readonly title: string;
  /** The cell in full. */
  readonly text: (row: Row) => string;
  readonly align?: 'right';
  /** How a cell is shortened; a column without it is never shortened. */
  readonly shorten?: (text: string, width: number) => string;
  /** Not shortened below this. */
  readonly least?: number;
  /** Left out when the width does not hold `least` of every column; the highest number goes first. */
  readonly dropOrder?: number;
  /** Applied after padding, so that colours do not count as width. */
  readonly paint?: (cell: string, row: Row) => string;
}

const GAP = '  ';

/** Lines of text, a title line first. With `width` each line fits into so many characters, as far as columns can shrink. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width?: number): string {
  const sized = columns.map((column) => size(column, rows));
  const shown = width === undefined ? sized : fit(sized, width);
  const lines = [shown.map(({ column, width }) => pad(column, column.title, width))];
  for (const [at] of rows.entries()) lines.push(shown.map((column) => cell(column, rows, at)));
  return lines.map((cells) => `${cells.join(GAP).trimEnd()}\n`).join('');
}

interface SizedColumn<Row> {
  readonly column: Column<Row>;
  readonly cells: readonly string[];
  readonly least: number;
  width: number;
}

function size<Row>(column: Column<Row>, rows: readonly Row[]): SizedColumn<Row> {
  const cells = rows.map((row) => printable(column.text(row)));
  const width = cells.reduce((most, cell) => Math.max(most, cell.length), column.title.length);
  const least = column.shorten === undefined ? width : Math.min(width, column.least ?? column.title.length);
  return { column, cells, least, width };
}

/** Drops columns until the least widths fit, then hands out what is left evenly, to none more than it needs. */
function fit<Row>(columns: SizedColumn<Row>[], width: number): SizedColumn<Row>[] {
  let shown = columns;
  const leastTotal = (): number => shown.reduce((sum, { least }) => sum + least, GAP.length * (shown.length - 1));
  while (leastTotal() > width) {
    const dropped = shown.reduce((a, b) => ((b.column.dropOrder ?? 0) > (a.column.dropOrder ?? 0) ? b : a));
    if (dropped.column.dropOrder === undefined) break;
    shown = shown.filter((column) => column !== dropped);
  }
  let spare = Math.max(0, width - leastTotal());
  const wanting = shown.filter((column) => column.width > column.least);
  wanting.sort((a, b) => a.width - a.least - (b.width - b.least));
  for (const [at, column] of wanting.entries()) {
    const share = Math.min(column.width - column.least, Math.floor(spare / (wanting.length - at)));
    column.width = column.least + share;
    spare -= share;
  }
  return shown;
}

function cell<Row>({ column, cells, width }: SizedColumn<Row>, rows: readonly Row[], at: number): string {
  const text = cells[at] ?? '';
  const padded = pad(column, column.shorten?.(text, width) ?? text, width);
  const row = rows[at];
  return column.paint === undefined || row === undefined ? padded : column.paint(padded, row);
}

function pad(column: { readonly align?: 'right' }, text: string, width: number): string {
  return column.align === 'right' ? text.padStart(width) : text.padEnd(width);
}

/** Names come from the runtime: none may steer the terminal. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are the ones to be found
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, '?');
}
