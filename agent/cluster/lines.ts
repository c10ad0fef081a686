/** The lines of a stream that is longer than memory, split at `\n`; a last line without its end is not given. */
export async function* lines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
  tooLong: () => Error,
): AsyncIterable<string> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      pending.push(chunk.subarray(start, end));
      if (pendingBytes + end - start > maxLineBytes) throw tooLong();
      // Only whole lines are decoded: a chunk may end in the middle of a character.
      yield Buffer.concat(pending).toString();
      pending = [];
      pendingBytes = 0;
      start = end + 1;
    }
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > maxLineBytes) throw tooLong();
  }
}

const newline = 0x0a;
