import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { chartValues, leaves } from './values.ts';

const file = fileURLToPath(new URL('../../../charts/nodetender/README.md', import.meta.url));

it('the chart’s README lists the values as their file has them', async () => {
  const [, before, after] =
    /^(.*?<!-- Generated[^\n]*\n).*(<!-- end of[^\n]*\n.*)$/s.exec(readFileSync(file, 'utf8')) ?? [];
  await expect(`${before}\n${table()}\n\n${after}`).toMatchFileSnapshot(file);
});

/** Aligned as the formatter leaves it. */
function table(): string {
  const rows = leaves(chartValues()).map(({ path, default: value, meaning }) => [`\`${path}\``, shown(value), meaning]);
  const heading = ['Value', 'Default', 'Meaning'];
  const widths = heading.map((_, column) => Math.max(...[heading, ...rows].map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [heading, rule, ...rows]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
    .join('\n');
}

/** A default that would fill the table stands in the file. */
function shown(value: unknown): string {
  if (value === '') return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 60 ? 'see values.yaml' : `\`${text}\``;
}
