import { styleText } from 'node:util';

/** Where a command writes, and what is known of the place. */
export interface Terminal {
  /** Writes to standard output: what was asked for. */
  out(text: string): void;
  /** Writes to standard error: progress, remarks, errors. */
  err(text: string): void;
  /** Columns of standard output; undefined where it is no terminal: nothing is shortened there. */
  readonly columns: number | undefined;
  /** True when a person watches standard error, so that a line there may be drawn again and again. */
  readonly isLive: boolean;
  /** Colours `text` where standard output takes colours: not in a pipe, not with NO_COLOR. */
  paint(color: 'red' | 'yellow' | 'dim' | 'bold', text: string): string;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  for (const stream of [stdout, stderr]) stream.on('error', ignoreClosedPipe);
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    columns: columnsFrom(env['COLUMNS']) ?? (stdout.isTTY ? stdout.columns : undefined),
    isLive: stderr.isTTY && env['TERM'] !== 'dumb',
    paint: (color, text) => styleText(color, text, { stream: stdout }),
  };
}

/**
 * `nodetender images | head` closes the pipe early, which is no error; and a cleaning goes on when nobody reads about it
 * any more, because calls in flight must not be cut off.
 */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
}

function columnsFrom(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
}
