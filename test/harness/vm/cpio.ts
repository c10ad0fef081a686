/** A file of an archive; one without content is a directory, or a link to what `target` says. */
export interface CpioEntry {
  readonly path: string;
  readonly content?: Uint8Array;
  readonly target?: string;
}

const DIRECTORY = 0o040755;
const PROGRAM = 0o100755;
const LINK = 0o120777;

/** The `newc` format, which Linux unpacks as its first root: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts = entries.map(({ path, content, target }, index) => {
    if (target !== undefined) return record(path, index, LINK, Buffer.from(target));
    return content === undefined ? record(path, index, DIRECTORY) : record(path, index, PROGRAM, content);
  });
  return Buffer.concat([...parts, record('TRAILER!!!', 0, 0)]);
}

function record(path: string, index: number, mode: number, content: Uint8Array = Buffer.alloc(0)): Buffer {
  // inode, mode, user, group, links, time, size, device and its minor, the same of a special file, length of the name, checksum
  const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, path.length + 1, 0];
  const numbers = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return Buffer.concat([padded(Buffer.from(`070701${numbers}${path}\0`)), padded(content)]);
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
