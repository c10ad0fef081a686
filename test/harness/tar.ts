const BLOCK_BYTES = 512;
export const tarEnd = Buffer.alloc(2 * BLOCK_BYTES);

export interface TarEntry {
  /** Up to 99 bytes. A name that ends in a slash is a directory. */
  readonly path: string;
  readonly content?: Uint8Array;
  readonly mode?: number;
  /** Of a symbolic link: what it points to, up to 99 bytes. */
  readonly linkTo?: string;
}

/** One entry in ustar format, header and padded content. */
export function tarEntry({ path, content = Buffer.alloc(0), mode = 0o644, linkTo }: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(path, 0);
  header.write(octal(mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(0, 11), 136);
  // The checksum counts its own field as eight spaces.
  header.write('        ', 148);
  const type = path.endsWith('/') ? '5' : '0';
  header.write(linkTo === undefined ? type : '2', 156);
  header.write(linkTo ?? '', 157);
  header.write('ustar\x0000', 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${octal(checksum, 6)} `, 148);
  return Buffer.concat([header, content, Buffer.alloc(-content.length & (BLOCK_BYTES - 1))]);
}

export function tar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), tarEnd]);
}
