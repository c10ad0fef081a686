import * as z from 'zod/mini';
import { messageOf } from '../errors.ts';
import { found } from './problems.ts';
import { DURATION, parseDuration, parsePercentage, parseSize, PERCENTAGE, SIZE } from './quantities.ts';

/**
 * The kinds of fields a configuration is made of. Each reads its input to a value, says what it expected where it cannot,
 * and describes itself to JSON Schema.
 */

/** How JSON Schema describes the input; only what every validator of draft 7 understands. */
type InputSchema = Readonly<Record<string, unknown>>;

/** A key that may be left out: it then has the value that `fallback` reads to. */
export function field<T extends z.core.SomeType>(kind: T, fallback: z.input<T>, description: string) {
  return z.prefault(kind, fallback).check(z.describe(description));
}

/** A key that is off, unlimited or found out by itself while it is left out: it then reads to null. */
export function optional<T extends z.core.SomeType>(kind: T, description: string) {
  return z.prefault(z.nullable(kind), null).check(z.describe(description));
}

/** Which field does not go with the others, and why. Fields that are refused by themselves read to undefined. */
export type Disagreement<Fields> = (
  fields: Partial<Fields>,
) => { key: keyof Fields & string; what: string } | undefined;

/** A mapping that has known keys only. */
export function section<Shape extends z.core.$ZodShape>(
  description: string,
  shape: Shape,
  disagreement?: Disagreement<z.output<z.ZodMiniObject<Shape, z.core.$strict>>>,
) {
  return z.prefault(mapping(shape, disagreement), {} as never).check(z.describe(description));
}

export function mapping<Shape extends z.core.$ZodShape>(
  shape: Shape,
  disagreement?: Disagreement<z.output<z.ZodMiniObject<Shape, z.core.$strict>>>,
) {
  const kind = z.strictObject(shape, { error: 'a mapping' }) as z.ZodMiniObject<Shape, z.core.$strict>;
  if (!disagreement) return kind;
  const agree = z.superRefine<z.output<typeof kind>>(
    (fields, context) => {
      const unsound = new Set(context.issues.map(({ path }) => path?.[0]));
      const sound = Object.fromEntries(Object.entries(fields).filter(([key]) => !unsound.has(key)));
      const refused = disagreement(sound as Partial<typeof fields>);
      if (refused) context.addIssue({ code: 'custom', path: [refused.key], message: refused.what, input: fields });
    },
    // Also beside other problems, so that all are told at once.
    { when: ({ value }) => typeof value === 'object' && value !== null && !Array.isArray(value) },
  );
  return kind.check(agree);
}

export function list<T extends z.core.SomeType>(item: T, maxItems: number) {
  return z.array(item, { error: 'a list' }).check(z.maxLength(maxItems, { error: `at most ${maxItems} entries` }));
}

/** A list of one entry at least. */
export function filledList<T extends z.core.SomeType>(item: T, maxItems: number) {
  return list(item, maxItems).check(z.minLength(1, { error: 'at least one entry' }));
}

export function flag() {
  return z.boolean({ error: 'true or false' });
}

export function choice<const Names extends readonly string[]>(names: Names) {
  return z.enum(names, { error: names.join(' or ') });
}

/** A whole number. */
export function count(min: number, max: number) {
  return leaf(
    `a whole number from ${min} to ${max}`,
    { title: `${min} to ${max}`, type: 'integer', minimum: min, maximum: max },
    (input) =>
      Number.isInteger(input) && (input as number) >= min && (input as number) <= max ? (input as number) : undefined,
  );
}

/** So many of something, or so many percent of all there are. */
export type CountOrPercentage = { readonly count: number } | { readonly percent: number };

export function countOrPercentage(min: number, max: number) {
  return leaf(
    `a whole number from ${min} to ${max}, or a percentage such as 10%`,
    { title: `${min} to ${max}, or percentage`, type: ['integer', 'string'], pattern: PERCENTAGE.source },
    (input): CountOrPercentage | undefined => {
      if (Number.isInteger(input)) {
        return (input as number) >= min && (input as number) <= max ? { count: input as number } : undefined;
      }
      const percent = typeof input === 'string' ? parsePercentage(input) : undefined;
      return percent !== undefined && percent <= 100 ? { percent } : undefined;
    },
  );
}

/** Reads to milliseconds. */
export function duration(min: string, max: string) {
  return text(
    `a duration from ${min} to ${max}, such as 90s, 1h30m or 7d`,
    { title: `duration, ${min} to ${max}`, pattern: DURATION.source, minLength: 1, examples: ['90s', '1h30m', '7d'] },
    within(parseDuration, min, max),
  );
}

/** Reads to milliseconds; `never` to infinitely many. */
export function durationOrNever(min: string, max: string) {
  const read = within(parseDuration, min, max);
  return text(
    `a duration from ${min} to ${max}, such as 90s, 1h30m or 7d, or never`,
    { title: `duration, ${min} to ${max}, or never`, pattern: `${DURATION.source}|^never$`, minLength: 1 },
    (text) => (text === 'never' ? Number.POSITIVE_INFINITY : read(text)),
  );
}

/** Reads to bytes. */
export function size(min: string, max: string) {
  const read = within(parseSize, min, max);
  return leaf(
    `a size from ${min} to ${max}, such as 500Mi, 5Gi or a number of bytes`,
    {
      title: `size, ${min} to ${max}`,
      type: ['string', 'integer'],
      pattern: SIZE.source,
      examples: ['500Mi', '5Gi', 1_000_000],
    },
    (input) => (typeof input === 'string' || Number.isSafeInteger(input) ? read(String(input)) : undefined),
  );
}

/** Reads to percent: `85%` to 85. */
export function percentage(min: string, max: string) {
  return text(
    `a percentage from ${min} to ${max}, such as 85%`,
    { title: `percentage, ${min} to ${max}`, pattern: PERCENTAGE.source, examples: ['85%'] },
    within(parsePercentage, min, max),
  );
}

/**
 * A text. `read` gives undefined for one that is not as expected, or throws an error that says what is wrong with it
 * better than "expected …" could.
 */
export function text<T>(expected: string, schema: InputSchema, read: (text: string) => T | undefined) {
  return leaf(expected, { type: 'string', ...schema }, (input) =>
    typeof input === 'string' ? read(input) : undefined,
  );
}

function leaf<T>(expected: string, schema: InputSchema, read: (input: unknown) => T | undefined) {
  return z.pipe(
    z.unknown().check(z.meta(schema)),
    z.transform((input: unknown, context): T => {
      let problem = `expected ${expected}, found ${found(input)}`;
      try {
        const value = read(input);
        if (value !== undefined) return value;
      } catch (error) {
        problem = messageOf(error);
      }
      context.issues.push({ code: 'custom', message: problem, input });
      return undefined as never;
    }),
  );
}

function within(parse: (text: string) => number | undefined, min: string, max: string) {
  const [least, most] = [parse(min), parse(max)];
  if (least === undefined || most === undefined) throw new RangeError(`no bounds: ${min}, ${max}`);
  return (text: string): number | undefined => {
    const value = parse(text);
    return value !== undefined && value >= least && value <= most ? value : undefined;
  };
}
