import { expect, it } from 'vitest';
import { sectionOf, textOf } from './pages.ts';

const page = new URL('../../../docs/comparison.md', import.meta.url);
const performance = textOf('docs/performance.md');

/** The cells of the row that begins with these, as the bench has written it. */
function measured(heading: string, ...begin: readonly string[]): readonly string[] {
  const rows = sectionOf(performance, heading)
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => cells.slice(1, -1));
  const row = rows.find((cells) => begin.every((cell, column) => cells[column] === cell));
  if (row === undefined) throw new Error(`${heading} has no row that begins with ${begin.join(', ')}`);
  return row;
}

/** The number in a cell of two rows, ours and the other's, for each of two kinds. */
function pair(
  heading: string,
  kinds: readonly string[],
  ways: readonly [string, string],
  column: number,
  unit: string,
) {
  const cell = (kind: string, way: string): string => {
    const row = measured(heading, ...(heading === 'Drains' ? [kind, '100', way] : [kind, way]));
    return `${row[column]?.split(' / ')[0]} ${unit}`.trim();
  };
  return ways.map((way) => kinds.map((kind) => cell(kind, way)).join(' / '));
}

function table(): string {
  const store = 'Small images, the store in memory';
  const removal = (what: string, column: number, unit: string): readonly string[] => [
    `${what}, containerd 1.6 / 2.x`,
    ...pair(store, ['1.6', '2.x'], ['nodetender, gentle', 'one at a time'], column, unit),
  ];
  const drain = (what: string, column: number, unit: string): readonly string[] => [
    `${what}, no budgets / budgets of one`,
    ...pair('Drains', ['no budgets', 'budgets of one'], ['nodetender', 'kubectl drain'], column, unit),
  ];
  const untouched = pair(store, ['1.6', '2.x'], ['nothing removed', 'nothing removed'], 7, 'ms')[0];
  const [, idle] = measured('Memory of the agent of a Node with 110 pods', 'agent, idle');
  const rows = [
    ['', 'Nodetender', 'one by one, as Eraser does'],
    removal('1,000 unused images removed', 2, 's'),
    removal('CPU that the runtime spends on it', 4, 's'),
    removal(`a pod starts meanwhile, median (else ${untouched})`, 7, 'ms'),
    ['', '', '**`kubectl drain`, as kured does**'],
    drain('100 pods drained', 3, 's'),
    drain('requests for it', 5, ''),
    ['', '', '**kured**'],
    ['resident memory, idle', `${idle} MB, images and reboots`, '33 to 39 MB, reboots'],
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width));
  const [heading = [], ...rest] = rows;
  return [heading, rule, ...rest]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
    .join('\n');
}

it('the comparison has the numbers that were measured last', async () => {
  const [, before, after] =
    /^(.*?<!-- Generated[^\n]*\n).*(<!-- end of[^\n]*\n.*)$/s.exec(textOf('docs/comparison.md')) ?? [];
  await expect(`${before}\n${table()}\n\n${after}`).toMatchFileSnapshot(page.pathname);
});
