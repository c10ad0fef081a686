import { alignmentOf, parseSingleSignature, type Type, type Value, type Variant } from './signature.ts';

/** Writes values, little-endian, from a first byte that is aligned to 8. A value of the wrong kind is a TypeError: a bug of ours. */
export class Writer {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  bytes(): Buffer {
    return Buffer.concat(this.#chunks, this.#length);
  }

  write(type: Type, value: Value): void {
    this.align(alignmentOf(type));
    switch (type.code) {
      case 'y':
        this.#number(1, (bytes) => bytes.writeUInt8(asNumber(value)));
        break;
      case 'b':
        this.#uint32(value === true ? 1 : 0);
        break;
      case 'n':
        this.#number(2, (bytes) => bytes.writeInt16LE(asNumber(value)));
        break;
      case 'q':
        this.#number(2, (bytes) => bytes.writeUInt16LE(asNumber(value)));
        break;
      case 'i':
        this.#number(4, (bytes) => bytes.writeInt32LE(asNumber(value)));
        break;
      case 'u':
      case 'h':
        this.#uint32(asNumber(value));
        break;
      case 'x':
        this.#number(8, (bytes) => bytes.writeBigInt64LE(asBigint(value)));
        break;
      case 't':
        this.#number(8, (bytes) => bytes.writeBigUInt64LE(asBigint(value)));
        break;
      case 'd':
        this.#number(8, (bytes) => bytes.writeDoubleLE(asNumber(value)));
        break;
      case 's':
      case 'o':
        this.#uint32(Buffer.byteLength(asText(value)));
        this.#append(Buffer.from(`${asText(value)}\0`));
        break;
      case 'g':
        this.#signature(asText(value));
        break;
      case 'v': {
        const variant = asVariant(value);
        this.#signature(variant.signature);
        this.write(parseSingleSignature(variant.signature), variant.value);
        break;
      }
      case 'a':
        this.#array(type.item, asList(value));
        break;
      case '(': {
        const fields = asList(value);
        if (fields.length !== type.fields.length) throw wrongKind('a struct of as many fields as its type');
        for (const [index, field] of type.fields.entries()) this.write(field, fields[index] ?? '');
        break;
      }
    }
  }

  align(alignment: number): void {
    this.#append(Buffer.alloc(-this.#length & (alignment - 1)));
  }

  #array(item: Type, values: readonly Value[]): void {
    const lengthBytes = Buffer.alloc(4);
    this.#append(lengthBytes);
    // The padding before the first item does not count.
    this.align(alignmentOf(item));
    const start = this.#length;
    for (const value of values) this.write(item, value);
    lengthBytes.writeUInt32LE(this.#length - start);
  }

  #signature(text: string): void {
    this.#append(Buffer.from([Buffer.byteLength(text)]));
    this.#append(Buffer.from(`${text}\0`));
  }

  #uint32(value: number): void {
    this.#number(4, (bytes) => bytes.writeUInt32LE(value));
  }

  #number(size: number, write: (bytes: Buffer) => void): void {
    const bytes = Buffer.alloc(size);
    write(bytes);
    this.#append(bytes);
  }

  #append(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }
}

function wrongKind(wanted: string): TypeError {
  return new TypeError(`the D-Bus type asks for ${wanted}`);
}

function asNumber(value: Value): number {
  if (typeof value !== 'number') throw wrongKind('a number');
  return value;
}

function asBigint(value: Value): bigint {
  if (typeof value !== 'bigint') throw wrongKind('a bigint');
  return value;
}

function asText(value: Value): string {
  if (typeof value !== 'string') throw wrongKind('a text');
  return value;
}

function asList(value: Value): readonly Value[] {
  if (!Array.isArray(value)) throw wrongKind('a list');
  return value as readonly Value[];
}

function asVariant(value: Value): Variant {
  if (typeof value !== 'object' || !('signature' in value)) throw wrongKind('a variant');
  return value;
}
