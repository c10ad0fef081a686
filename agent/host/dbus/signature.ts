import { NodetenderError } from '../../errors.ts';

/** The types of D-Bus, by the letters of its signatures (https://dbus.freedesktop.org/doc/dbus-specification.html#type-system). */
export type Type =
  | { readonly code: BasicCode | 'v' }
  | { readonly code: 'a'; readonly item: Type }
  /** A struct; a dictionary's entry is one of two fields. */
  | { readonly code: '('; readonly fields: readonly Type[] };

const BASIC_CODES = 'ybnqiuxtdsogh';
export type BasicCode = 'y' | 'b' | 'n' | 'q' | 'i' | 'u' | 'x' | 't' | 'd' | 's' | 'o' | 'g' | 'h';

/** A value as JavaScript has it: 64-bit integers are bigint, structs and arrays are arrays, and so are dictionaries. */
export type Value = number | bigint | boolean | string | Variant | readonly Value[];

/** A value that carries its type with it. */
export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

/** The specification's own limits. */
export const MAX_SIGNATURE_LENGTH = 255;
const MAX_NESTING = 32;

/** Something that is not D-Bus, or more than we are willing to read. */
export function malformed(found: string): NodetenderError {
  return new NodetenderError(
    'host/bad-response',
    `the system bus sent something that is not a message of D-Bus: ${found}. Check that the socket is the bus's.`,
  );
}

/** The types that a signature names, in order. Throws `host/bad-response`. */
export function parseSignature(signature: string): readonly Type[] {
  if (signature.length > MAX_SIGNATURE_LENGTH) throw malformed(`a signature of ${signature.length} letters`);
  const types: Type[] = [];
  for (let at = 0; at < signature.length;) {
    const [type, end] = parseType(signature, at, 0);
    types.push(type);
    at = end;
  }
  return types;
}

/** The one type of a variant's signature. */
export function parseSingleSignature(signature: string): Type {
  const [type, ...more] = parseSignature(signature);
  if (type === undefined || more.length > 0) throw malformed(`a variant of type ${JSON.stringify(signature)}`);
  return type;
}

export function alignmentOf(type: Type): number {
  switch (type.code) {
    case 'y':
    case 'g':
    case 'v':
      return 1;
    case 'n':
    case 'q':
      return 2;
    case 'b':
    case 'i':
    case 'u':
    case 'h':
    case 's':
    case 'o':
    case 'a':
      return 4;
    case 'x':
    case 't':
    case 'd':
    case '(':
      return 8;
  }
}

function parseType(signature: string, at: number, depth: number): [Type, number] {
  const unreadable = (): NodetenderError => malformed(`the signature ${JSON.stringify(signature)}`);
  if (depth > MAX_NESTING) throw unreadable();
  const letter = signature[at];
  if (letter === undefined) throw unreadable();
  if (letter === 'v') return [{ code: 'v' }, at + 1];
  if (isBasic(letter)) return [{ code: letter }, at + 1];
  if (letter === 'a') {
    const [item, end] =
      signature[at + 1] === '{' ? parseFields(signature, at + 1, '}', depth) : parseType(signature, at + 1, depth + 1);
    return [{ code: 'a', item }, end];
  }
  if (letter === '(') return parseFields(signature, at, ')', depth);
  throw unreadable();
}

function parseFields(signature: string, open: number, close: ')' | '}', depth: number): [Type, number] {
  const fields: Type[] = [];
  let at = open + 1;
  while (at < signature.length && signature[at] !== close) {
    const [field, end] = parseType(signature, at, depth + 1);
    fields.push(field);
    at = end;
  }
  const right = close === ')' ? fields.length > 0 : fields.length === 2 && isBasic(fields[0]?.code ?? '');
  // An empty struct would take no bytes, and an array of them would never end.
  if (signature[at] !== close || !right) throw malformed(`the signature ${JSON.stringify(signature)}`);
  return [{ code: '(', fields }, at + 1];
}

function isBasic(letter: string): letter is BasicCode {
  return letter !== '' && BASIC_CODES.includes(letter);
}
