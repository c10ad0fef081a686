import type { Json, JsonObject } from './objects.ts';
import { badRequest } from './status.ts';

/**
 * kubectl sends what it makes from Go types as protobuf. Only the fields that its commands fill in are known, of the two
 * kinds that people make so: everything else they apply as JSON.
 */
type Field =
  | readonly [name: string, kind: 'text' | 'number']
  | readonly [name: string, kind: 'texts' | 'bytes', repeated: 'map' | 'list']
  | readonly [name: string, kind: Message];
type Message = Readonly<Record<number, Field>>;

const objectMeta: Message = {
  1: ['name', 'text'],
  2: ['generateName', 'text'],
  3: ['namespace', 'text'],
  5: ['uid', 'text'],
  6: ['resourceVersion', 'text'],
  11: ['labels', 'texts', 'map'],
  12: ['annotations', 'texts', 'map'],
  14: ['finalizers', 'texts', 'list'],
};
const preconditions: Message = { 1: ['uid', 'text'], 2: ['resourceVersion', 'text'] };
const deleteOptions: Message = {
  1: ['gracePeriodSeconds', 'number'],
  2: ['preconditions', preconditions],
  4: ['propagationPolicy', 'text'],
  5: ['dryRun', 'texts', 'list'],
};
const kinds: Readonly<Record<string, Message>> = {
  ConfigMap: { 1: ['metadata', objectMeta], 2: ['data', 'texts', 'map'], 3: ['binaryData', 'bytes', 'map'] },
  Eviction: { 1: ['metadata', objectMeta], 2: ['deleteOptions', deleteOptions] },
  DeleteOptions: deleteOptions,
};

/** What precedes every such body; then comes a runtime.Unknown: {typeMeta {apiVersion, kind}, raw}. */
const MAGIC = Buffer.from('k8s\0');

/** The object that a body carries. Throws 400 for one that cannot be read. */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest('the body of the request does not begin as protobuf does');
  const envelope = new Map(fieldsOf(body.subarray(4)));
  const typeMeta = new Map(fieldsOf(bytesOf(envelope.get(1))));
  const apiVersion = bytesOf(typeMeta.get(1)).toString();
  const kind = bytesOf(typeMeta.get(2)).toString();
  const message = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  if (message === undefined) throw badRequest(`the emulator reads no ${kind} as protobuf; send it as JSON`);
  return { apiVersion, kind, ...decode(message, bytesOf(envelope.get(2))) };
}

function decode(message: Message, body: Buffer): JsonObject {
  const object: JsonObject = {};
  for (const [number, value] of fieldsOf(body)) {
    const field = message[number];
    if (field === undefined) continue;
    const [name, kind, repeated] = field;
    if (kind === 'number') object[name] = Number(value);
    else if (typeof kind === 'object') object[name] = decode(kind, bytesOf(value));
    else if (repeated === 'list')
      object[name] = [...((object[name] as Json[] | undefined) ?? []), bytesOf(value).toString()];
    else if (repeated === 'map')
      object[name] = { ...(object[name] as JsonObject | undefined), ...entryOf(value, kind) };
    // Go writes absent text as empty text.
    else if (bytesOf(value).length > 0) object[name] = bytesOf(value).toString();
  }
  return object;
}

function entryOf(value: bigint | Buffer, kind: 'text' | 'texts' | 'bytes'): JsonObject {
  const entry = new Map(fieldsOf(bytesOf(value)));
  const encoding = kind === 'bytes' ? 'base64' : 'utf8';
  return { [bytesOf(entry.get(1)).toString()]: bytesOf(entry.get(2)).toString(encoding) };
}

function bytesOf(value: bigint | Buffer | undefined): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

/** The wire format: varints and runs of bytes; these kinds use no other. */
function* fieldsOf(body: Buffer): Generator<[number, bigint | Buffer]> {
  let offset = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = body[offset];
      if (byte === undefined) break;
      offset += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw badRequest('the protobuf body ends in the middle of a number');
  };
  while (offset < body.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (wireType === 0) yield [number, varint()];
    else if (wireType === 2) {
      const length = Number(varint());
      yield [number, body.subarray(offset, offset + length)];
      offset += length;
    } else throw badRequest(`the protobuf body has a field of wire type ${wireType}, which no known kind has`);
  }
}
