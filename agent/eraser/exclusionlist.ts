import * as z from 'zod/mini';
import { messageOf } from '../errors.ts';
import { parseRule, type Rule } from '../images/rules.ts';

/** Eraser's label on the ConfigMaps whose images stay. */
export const exclusionSelector = 'eraser.sh/exclude.list=true';

/** The content of one ConfigMap, or why it is not what it should be. */
export type ExclusionList =
  | { readonly ok: true; readonly rules: readonly Rule[] }
  | { readonly ok: false; readonly problem: string };

/** The parts of a ConfigMap that are read. */
export interface ConfigMapData {
  readonly data?: unknown;
  readonly binaryData?: unknown;
}

/** A ConfigMap holds a mebibyte, which is many more rules than anybody writes by hand. */
const maxRules = 5_000;

const document = z.object({ excluded: z.array(z.string()).check(z.maxLength(maxRules)) });

/**
 * Reads every key that ends in `.json`. One mistake refuses the whole ConfigMap: half a list would let go what the other
 * half was written to keep.
 */
export function readExclusionList({ data, binaryData }: ConfigMapData): ExclusionList {
  const rules: Rule[] = [];
  for (const key of jsonKeys(binaryData)) {
    return { ok: false, problem: `${key}: expected text, found binaryData; is the file UTF-8?` };
  }
  for (const key of jsonKeys(data)) {
    try {
      rules.push(...readDocument((data as Record<string, unknown>)[key]));
    } catch (error) {
      return { ok: false, problem: `${key}: ${messageOf(error)}` };
    }
    if (rules.length > maxRules) return { ok: false, problem: `expected at most ${maxRules} rules in all, found more` };
  }
  return { ok: true, rules };
}

function jsonKeys(data: unknown): string[] {
  return typeof data === 'object' && data !== null ? Object.keys(data).filter((key) => key.endsWith('.json')) : [];
}

function readDocument(text: unknown): Rule[] {
  if (typeof text !== 'string') throw new Error('expected a text');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`expected JSON like {"excluded": ["docker.io/library/*"]}: ${messageOf(error)}`, { cause: error });
  }
  const parsed = document.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') || 'the whole';
    throw new Error(`${where}: expected {"excluded": ["docker.io/library/*"]}, with at most ${maxRules} texts`);
  }
  return parsed.data.excluded.map((entry, index) => {
    try {
      return parseRule(entry);
    } catch (error) {
      throw new Error(`excluded.${index}: ${messageOf(error)}`, { cause: error });
    }
  });
}
