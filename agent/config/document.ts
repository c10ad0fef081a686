import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { pathText, problem } from './problems.ts';
import type { Path, Problem } from './problems.ts';

/** A YAML text as plain values, with what is wrong with the text itself. */
interface PlainDocument {
  /** Maps, lists and scalars as objects, arrays and primitives. A key without a value has undefined, as if it were not written. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The line, from 1, on which a path is written. */
  readonly lines: ReadonlyMap<string, number>;
}

/** Our deepest key is at depth 4. The rest of a deeper structure is refused by its top, not walked. */
const MAX_DEPTH = 16;

/** Where the library's own message speaks of its API or of its insides. */
const WORDS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document begins here; expected one',
  NON_STRING_KEY: 'expected a text as key',
  RESOURCE_EXHAUSTION: 'nested too deeply',
};

/**
 * Reads one YAML 1.2 document, trusting nothing in it. What a configuration has no use for is refused rather than
 * interpreted: aliases (a few nested ones expand to billions of nodes), tags, several documents, keys that are no text.
 */
export function readDocument(text: string): PlainDocument {
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // The library compares every key with every other: 50,000 keys block the process for minutes. We look for doubles ourselves.
    uniqueKeys: false,
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = faults.map(({ code, message, pos }) =>
      problem([], WORDS[code] ?? message, counter.linePos(pos[0]).line),
    );
    return { value: undefined, problems, lines: new Map() };
  }
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    // Half-written files are often empty: they must not pass for a wish for the defaults.
    return {
      value: undefined,
      problems: [problem([], 'empty; write {} to mean the defaults', undefined)],
      lines: new Map(),
    };
  }
  return toPlain(document, counter);
}

function toPlain(document: Document.Parsed, counter: LineCounter): PlainDocument {
  const problems: Problem[] = [];
  const lines = new Map<string, number>();

  function walk(node: unknown, path: Path, line: number): unknown {
    lines.set(pathText(path), line);
    if (path.length > MAX_DEPTH) return refuse(path, line, 'nested too deeply');
    if (isAlias(node)) return refuse(path, line, `the alias *${node.source} is not followed; write the value out`);
    if (isSeq(node)) return node.items.map((item, index) => walk(item, [...path, index], lineOf(item, line)));
    if (isMap(node)) return walkMap(node.items, path, line);
    return isScalar(node) ? node.value : undefined;
  }

  function walkMap(pairs: readonly { key: unknown; value: unknown }[], path: Path, line: number): unknown {
    const plain: Record<string, unknown> = {};
    const seen = new Set<string>();
    for (const pair of pairs) {
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      const keyPath = [...path, key];
      const keyLine = lineOf(pair.key, line);
      if (seen.has(key)) refuse(keyPath, keyLine, `written twice, first on line ${lines.get(pathText(keyPath))}`);
      // As a plain property this name would replace the object's prototype.
      else if (key === '__proto__') refuse(keyPath, keyLine, 'unknown');
      else plain[key] = walk(pair.value, keyPath, keyLine) ?? undefined;
      seen.add(key);
    }
    return plain;
  }

  function refuse(path: Path, line: number, what: string): undefined {
    problems.push(problem(path, what, line));
    return undefined;
  }

  function lineOf(node: unknown, otherwise: number): number {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : undefined;
    return range ? counter.linePos(range[0]).line : otherwise;
  }

  return { value: walk(document.contents, [], 1), problems, lines };
}
