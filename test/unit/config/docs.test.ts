import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { defaultConfig, parseConfig } from '../../../agent/config/load.ts';
import { jsonSchema } from '../../../agent/config/schema.ts';
import type { JsonSchema } from '../../../agent/config/schema.ts';
import { keysOf } from './keys.ts';

const EXAMPLE = new URL('../../../docs/nodetender.example.yaml', import.meta.url);
const REFERENCE = new URL('../../../docs/configuration.md', import.meta.url);

const keys = keysOf(jsonSchema());
const lists = new Set(keys.filter(({ schema }) => schema.type === 'array').map(({ path }) => path.join('.')));
/** Keys of list entries may be mandatory in them; all others may be left out. */
const inLists = (path: readonly string[]): boolean =>
  path.some((_, depth) => depth > 0 && lists.has(path.slice(0, depth).join('.')));

describe('the JSON Schema', () => {
  it('describes every key, and has a default for every one that may be left out', () => {
    expect(keys.length).toBeGreaterThan(35);
    expect(keys.filter(({ schema }) => !schema.description?.endsWith('.')).map(({ path }) => path)).toEqual([]);
    expect(keys.filter(({ path, schema }) => !inLists(path) && schema.default === undefined)).toEqual([]);
  });

  it('knows the type of every key, and no key beside them', () => {
    const parts = keys.flatMap(({ schema }) => [
      schema,
      ...(schema.anyOf ?? []),
      ...(schema.items ? [schema.items] : []),
    ]);
    expect(parts.filter(({ type, anyOf }) => type === undefined && anyOf === undefined)).toEqual([]);
    const open = parts.filter(({ type, additionalProperties }) => type === 'object' && additionalProperties !== false);
    expect(open).toEqual([]);
    expect(jsonSchema().additionalProperties).toBe(false);
  });

  it('gives defaults that, all written out, are the default configuration', () => {
    const written = (schema: JsonSchema): unknown =>
      schema.properties
        ? Object.fromEntries(Object.entries(schema.properties).map(([key, child]) => [key, written(child)]))
        : schema.default;
    expect(parseConfig(JSON.stringify(written(jsonSchema())), 'the defaults')).toEqual(defaultConfig);
  });

  it('has patterns that fit their examples and defaults, without syntax that RE2 lacks', () => {
    const patterned = keys.flatMap(({ schema }) =>
      [schema, ...(schema.anyOf ?? [])].filter(({ pattern }) => pattern !== undefined),
    );
    expect(patterned.length).toBeGreaterThan(10);
    for (const { pattern = '', examples = [], default: value } of patterned) {
      expect(pattern).not.toMatch(/\(\?[=!<]|\\[1-9]/);
      for (const fitting of [...examples, value].filter((text) => typeof text === 'string')) {
        expect(fitting).toMatch(new RegExp(pattern));
      }
    }
  });
});

describe('the annotated example', () => {
  const text = readFileSync(EXAMPLE, 'utf8');
  const lines = text.split('\n');
  /** `#key: value`, without a blank, is a setting that is off. */
  const OFF = /^( *)#(?=[A-Za-z]+: )/;

  it('is the default configuration', () => {
    expect(parseConfig(text, 'the example')).toEqual(defaultConfig);
  });

  it('has every key of the schema and no other', () => {
    const everything = text.replaceAll(new RegExp(OFF, 'gm'), '$1');
    const shown = new Set<string>();
    // Settings that are off stand beside the ones in force: the doubles are meant.
    collectKeys(parseDocument(everything, { uniqueKeys: false }).contents?.toJSON(), [], shown);
    for (const [index, line] of lines.entries()) {
      if (!OFF.test(line) || !line.includes('{')) continue;
      collectKeys(parseDocument(line.replace(OFF, '')).toJS(), sectionsAbove(lines, index), shown);
    }
    expect([...shown].toSorted()).toEqual(keys.map(({ path }) => path.join('.')).toSorted());
  });

  it('has settings that are off and can be put in force one by one', () => {
    const off = lines.flatMap((line, index) => (OFF.test(line) ? [index] : []));
    expect(off.length).toBeGreaterThan(8);
    for (const index of off) {
      const setting = (lines[index] ?? '').replace(OFF, '$1');
      const key = setting.slice(0, setting.indexOf(':') + 1);
      const replaced = key.endsWith('cron:') ? key.replace('cron:', 'every:') : key;
      const without = lines.filter((line, at) => at === index || !line.startsWith(`${replaced} `));
      // What needs an address of Prometheus is given one.
      const prometheus = without.indexOf('  prometheus:');
      if (!key.includes('url:')) without.splice(prometheus + 1, 0, '    url: http://127.0.0.1:9090');
      const changed = without.map((line) => (line === lines[index] ? setting : line)).join('\n');
      expect(() => parseConfig(changed, setting)).not.toThrow();
    }
  });

  it('has a comment above every key', () => {
    const bare = text.split('\n').filter((line, index, lines) => {
      const isSetting = OFF.test(line) || /^ *[A-Za-z]+:/.test(line);
      const isSection = /^[a-z]+:$/.test(line);
      return isSetting && !isSection && !/^ *#/.test(lines[index - 1] ?? '') && !OFF.test(line);
    });
    expect(bare).toEqual([]);
  });
});

/** The keys of the mappings that a line of the example is in. */
function sectionsAbove(lines: readonly string[], index: number): string[] {
  const indent = /^ */.exec(lines[index] ?? '')?.[0].length ?? 0;
  if (indent === 0) return [];
  const above = lines.slice(0, index).findLastIndex((line) => new RegExp(`^ {${indent - 2}}[a-z]`).test(line));
  return [...sectionsAbove(lines, above), (lines[above] ?? '').trim().replace(':', '')];
}

describe('the reference', () => {
  it('is what the schema says', async () => {
    const text = readFileSync(REFERENCE, 'utf8');
    const [, before, after] = /^(.*?<!-- Generated[^\n]*\n).*(<!-- end of[^\n]*\n.*)$/s.exec(text) ?? [];
    await expect(`${before}\n${table()}\n\n${after}`).toMatchFileSnapshot(REFERENCE.pathname);
  });
});

function collectKeys(value: unknown, path: readonly string[], into: Set<string>): void {
  if (path.length > 0) into.add(path.join('.'));
  if (Array.isArray(value)) for (const item of value) collectKeys(item, path, into);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) collectKeys(child, [...path, key], into);
  }
}

/** Aligned as the formatter leaves it. */
function table(): string {
  const rows = keys
    .filter(({ schema }) => schema.properties === undefined)
    .map(({ path, schema }) => [`\`${path.join('.')}\``, takes(schema), defaultOf(schema), schema.description ?? '']);
  const heading = ['Key', 'Takes', 'Default', 'Meaning'];
  const widths = heading.map((_, column) => Math.max(...[heading, ...rows].map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [heading, rule, ...rows]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
    .join('\n');
}

function takes({ title, enum: names, type, items, anyOf }: JsonSchema): string {
  if (title) return title;
  if (names) return names.map((name) => `\`${name}\``).join(', ');
  if (anyOf)
    return anyOf
      .filter((alternative) => alternative.type !== 'null')
      .map(takes)
      .join(', ');
  if (items) return `list of ${items.title ?? 'mapping'}s`;
  return type === 'boolean' ? '`true`, `false`' : 'mapping';
}

function defaultOf({ default: value }: JsonSchema): string {
  if (value === undefined) return 'mandatory';
  return value === null ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
