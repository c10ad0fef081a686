import type { core } from 'zod/mini';
import { suggest } from './suggest.ts';

/** Keys from the top of the file down to a field; numbers are positions in a list. */
export type Path = readonly PropertyKey[];

/** One thing wrong with a configuration: where, and what. */
export interface Problem {
  readonly path: string;
  /** From 1; undefined where the field is not written. */
  readonly line: number | undefined;
  readonly what: string;
}

/** A person mends fifty at a time at most; a hostile file has a hundred thousand. */
const MAX_PROBLEMS = 50;
const MAX_TEXT_LENGTH = 60;

export function problem(path: Path, what: string, line: number | undefined): Problem {
  return { path: pathText(path), what, line };
}

/** `images.keepNewestTags[0].count`; keys that are no words are quoted, so that no stranger's text reaches a log as it is. */
export function pathText(path: Path): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : dotted(String(key), index))).join('');
}

function dotted(key: string, index: number): string {
  const word = /^[\w-]{1,40}$/.test(key) ? key : quoted(key);
  return index === 0 ? word : `.${word}`;
}

/** What was found in place of what was expected, short enough for a message. */
export function found(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return 'a mapping';
}

function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text);
}

/**
 * The schema's issues as problems, one per offending field. `keysAt` gives the keys that are known below a path.
 * Fields are told by their own messages: zod's built-in checks carry what was expected, custom issues the whole sentence.
 */
export function problemsOf(
  issues: readonly core.$ZodIssue[],
  lines: ReadonlyMap<string, number>,
  keysAt: (path: Path) => readonly string[],
): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .slice(0, MAX_PROBLEMS)
        .map((key) => at([...issue.path, key], unknownKey(key, keysAt(issue.path))));
    }
    if (issue.code === 'custom') return at(issue.path, issue.message);
    if (issue.code === 'invalid_union') return problemsOf(likeliest(issue), lines, keysAt);
    return at(issue.path, `expected ${issue.message}, found ${found(issue.input)}`);
  });

  function at(path: Path, what: string): Problem {
    return problem(path, what, lines.get(pathText(path)));
  }
}

/** The refusal as a person reads it, one line per field. */
export function refusal(source: string, problems: readonly Problem[]): string {
  const shown = problems.slice(0, MAX_PROBLEMS).map(({ path, line, what }) => {
    const where = line === undefined ? path : `${path} (line ${line})`.trimStart();
    return where === '' ? `  ${what}` : `  ${where}: ${what}`;
  });
  if (problems.length > MAX_PROBLEMS) shown.push(`  … and more: the first ${MAX_PROBLEMS} are shown`);
  return `the configuration in ${source} is refused:\n${shown.join('\n')}`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = suggest(key, known);
  return meant === undefined ? `unknown; known here: ${known.join(', ')}` : `unknown; did you mean ${meant}?`;
}

/** Of the alternatives that failed, what is wrong with the one that was meant: the one whose outer shape fits. */
function likeliest(issue: core.$ZodIssueInvalidUnion): core.$ZodIssue[] {
  const meant = issue.errors.find((errors) =>
    errors.every((error) => error.path.length > 0 || error.code === 'unrecognized_keys'),
  );
  if (!meant) return [{ ...issue, code: 'custom', message: `expected ${issue.message}, found ${found(issue.input)}` }];
  return meant.map((error) => ({ ...error, path: [...issue.path, ...error.path] }));
}
