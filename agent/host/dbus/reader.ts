import { alignmentOf, malformed, parseSingleSignature, type Type, type Value } from './signature.ts';

/** Variants may hold variants; the specification allows no value to nest deeper. */
const MAX_DEPTH = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads values from bytes whose first one is aligned to 8. Every method throws `host/bad-response`. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #at: number;
  #depth = 0;

  constructor(bytes: Uint8Array, littleEndian: boolean, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
    this.#at = at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  read(type: Type): Value {
    this.#align(alignmentOf(type));
    switch (type.code) {
      case 'y':
        return this.#view.getUint8(this.#take(1));
      case 'b':
        return this.#boolean();
      case 'n':
        return this.#view.getInt16(this.#take(2), this.#littleEndian);
      case 'q':
        return this.#view.getUint16(this.#take(2), this.#littleEndian);
      case 'i':
        return this.#view.getInt32(this.#take(4), this.#littleEndian);
      case 'u':
      case 'h':
        return this.#uint32();
      case 'x':
        return this.#view.getBigInt64(this.#take(8), this.#littleEndian);
      case 't':
        return this.#view.getBigUint64(this.#take(8), this.#littleEndian);
      case 'd':
        return this.#view.getFloat64(this.#take(8), this.#littleEndian);
      case 's':
      case 'o':
        return this.#text(this.#uint32());
      case 'g':
        return this.#text(this.#view.getUint8(this.#take(1)));
      case 'v':
        return this.#nested(() => {
          const signature = this.#text(this.#view.getUint8(this.#take(1)));
          return { signature, value: this.read(parseSingleSignature(signature)) };
        });
      case 'a':
        return this.#nested(() => this.#array(type.item));
      case '(':
        return this.#nested(() => type.fields.map((field) => this.read(field)));
    }
  }

  #array(item: Type): Value[] {
    const length = this.#uint32();
    this.#align(alignmentOf(item));
    const end = this.#at + length;
    const items: Value[] = [];
    while (this.#at < end) items.push(this.read(item));
    if (this.#at !== end) throw malformed('an array whose last item is cut');
    return items;
  }

  #nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw malformed(`values nested deeper than ${MAX_DEPTH}`);
    const value = read();
    this.#depth -= 1;
    return value;
  }

  #boolean(): boolean {
    const value = this.#uint32();
    if (value > 1) throw malformed(`a boolean of ${value}`);
    return value === 1;
  }

  #uint32(): number {
    this.#align(4);
    return this.#view.getUint32(this.#take(4), this.#littleEndian);
  }

  #text(length: number): string {
    const start = this.#take(length + 1);
    const end = start + length;
    if (this.#bytes[end] !== 0) throw malformed('a text without its closing NUL');
    const bytes = this.#bytes.subarray(start, end);
    if (bytes.includes(0)) throw malformed('a text with a NUL in it');
    try {
      return utf8.decode(bytes);
    } catch {
      throw malformed('a text that is not UTF-8');
    }
  }

  #align(alignment: number): void {
    this.#take(-this.#at & (alignment - 1));
  }

  /** Where the next `count` bytes begin. */
  #take(count: number): number {
    const start = this.#at;
    if (start + count > this.#bytes.length) throw malformed('a value that ends after its message');
    this.#at = start + count;
    return start;
  }
}
