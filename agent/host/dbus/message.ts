import { Reader } from './reader.ts';
import { malformed, parseSignature, parseSingleSignature, type Value, type Variant } from './signature.ts';
import { Writer } from './writer.ts';

/** One message of D-Bus, with those of its header fields that we use. */
export interface Message {
  readonly type: MessageType;
  readonly serial: number;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  /** Which call a reply answers. */
  readonly replySerial?: number | undefined;
  readonly destination?: string | undefined;
  readonly sender?: string | undefined;
  /** Empty for a message without a body. */
  readonly signature: string;
  readonly body: readonly Value[];
}

export type MessageType = 'call' | 'return' | 'error' | 'signal' | 'unknown';

/** Header, fields and body. A list of 8,192 inhibitors, logind's own limit, takes about this much; D-Bus would allow 128 MiB. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

const PROTOCOL_VERSION = 1;
const FIXED_HEADER_BYTES = 16;
const LITTLE_ENDIAN = 'l'.charCodeAt(0);
const BIG_ENDIAN = 'B'.charCodeAt(0);

/** By their numbers in the header. */
const MESSAGE_TYPES: readonly MessageType[] = ['unknown', 'call', 'return', 'error', 'signal'];

const HEADER_FIELDS = parseSingleSignature('a(yv)');

/** Header fields by number: their name in a Message, and the only type they may have. */
const FIELDS = [
  [1, 'path', 'o'],
  [2, 'interface', 's'],
  [3, 'member', 's'],
  [4, 'errorName', 's'],
  [5, 'replySerial', 'u'],
  [6, 'destination', 's'],
  [7, 'sender', 's'],
  [8, 'signature', 'g'],
] as const;

export function encodeMessage(message: Message): Buffer {
  const body = new Writer();
  for (const [index, type] of parseSignature(message.signature).entries()) body.write(type, message.body[index] ?? '');
  const bodyBytes = body.bytes();
  const fixed = Buffer.from([LITTLE_ENDIAN, MESSAGE_TYPES.indexOf(message.type), 0, PROTOCOL_VERSION]);
  const header = new Writer();
  for (const byte of fixed) header.write({ code: 'y' }, byte);
  header.write({ code: 'u' }, bodyBytes.length);
  header.write({ code: 'u' }, message.serial);
  header.write(HEADER_FIELDS, encodedFields(message));
  header.align(8);
  return Buffer.concat([header.bytes(), bodyBytes]);
}

/**
 * The length of the message that `bytes` begin with, or undefined while too few are there to tell. Throws
 * `host/bad-response` when no message begins so, or one that is too long.
 */
export function messageLength(bytes: Buffer): number | undefined {
  if (bytes.length < FIXED_HEADER_BYTES) return undefined;
  const littleEndian = isLittleEndian(bytes);
  if (bytes[3] !== PROTOCOL_VERSION) throw malformed(`a message of protocol version ${bytes[3]}`);
  const bodyLength = littleEndian ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
  const fieldsLength = littleEndian ? bytes.readUInt32LE(12) : bytes.readUInt32BE(12);
  const length = paddedTo8(FIXED_HEADER_BYTES + fieldsLength) + bodyLength;
  if (length > MAX_MESSAGE_BYTES)
    throw malformed(`a message of ${length} bytes; at most ${MAX_MESSAGE_BYTES} are read`);
  return length;
}

/** Reads one whole message. Throws `host/bad-response`. */
export function decodeMessage(bytes: Buffer): Message {
  const littleEndian = isLittleEndian(bytes);
  const serial = littleEndian ? bytes.readUInt32LE(8) : bytes.readUInt32BE(8);
  if (serial === 0) throw malformed('a message with the serial 0');
  const fieldsLength = littleEndian ? bytes.readUInt32LE(12) : bytes.readUInt32BE(12);
  const bodyStart = paddedTo8(FIXED_HEADER_BYTES + fieldsLength);
  const fields = decodedFields(new Reader(bytes.subarray(0, bodyStart), littleEndian, 12).read(HEADER_FIELDS));
  const signature = fields.signature ?? '';
  const reader = new Reader(bytes.subarray(bodyStart), littleEndian);
  const body = parseSignature(signature).map((type) => reader.read(type));
  if (!reader.atEnd) throw malformed('a message that is longer than its values');
  return { ...fields, type: MESSAGE_TYPES[bytes[1] ?? 0] ?? 'unknown', serial, signature, body };
}

function encodedFields(message: Message): Value[] {
  return FIELDS.flatMap(([number, name, signature]): Value[] => {
    const value = message[name];
    // No signature means no body.
    return value === undefined || value === '' ? [] : [[number, { signature, value }]];
  });
}

type Fields = { -readonly [Name in (typeof FIELDS)[number][1]]?: Message[Name] };

function decodedFields(value: Value): Fields {
  const fields: Record<string, Value> = {};
  for (const entry of value as readonly (readonly [number, Variant])[]) {
    const [number, variant] = entry;
    const known = FIELDS.find(([of]) => of === number);
    // Fields that are not known are to be ignored.
    if (known === undefined) continue;
    const [, name, signature] = known;
    if (variant.signature !== signature) throw malformed(`the header field ${name} of type ${variant.signature}`);
    fields[name] = variant.value;
  }
  return fields;
}

function isLittleEndian(bytes: Buffer): boolean {
  if (bytes[0] === LITTLE_ENDIAN) return true;
  if (bytes[0] === BIG_ENDIAN) return false;
  throw malformed(`a message that begins with the byte ${bytes[0]}`);
}

function paddedTo8(length: number): number {
  return length + (-length & 7);
}
