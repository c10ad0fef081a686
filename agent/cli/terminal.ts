import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { styleText } from 'node:util';

import { exitStatus } from './host.ts';

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
  /** Rows of standard output where a person watches it, so that it may be drawn again and again; else undefined. */
  readonly rows: number | undefined;
  /**
   * Asks the person at the keyboard, and gives the answer; empty where there is none, or `signal` aborts. Undefined where nobody
   * is there to answer.
   */
  readonly ask: ((question: string, signal: AbortSignal) => Promise<string>) | undefined;
  /** Colours `text` where standard output takes colours: not in a pipe, not with NO_COLOR. */
  paint(color: 'red' | 'yellow' | 'dim' | 'bold', text: string): string;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  // Nothing that is said on the way may end a command: removals in flight would be cut off, and a full disk is what it is for.
  stderr.on('error', () => undefined);
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isClosedPipe(error)) return;
    stderr.write(`error: standard output cannot be written: ${error.message}\n`);
    // Once the command has ended, so that it ends by itself.
    process.once('exit', (status) => {
      if (status === 0) process.exitCode = exitStatus.failed;
    });
  });
  return {
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    // Asked anew each time: a window may be made larger or smaller while something is watched.
    get columns() {
      return columnsFrom(env['COLUMNS']) ?? (stdout.isTTY ? stdout.columns : undefined);
    },
    isLive: stderr.isTTY && env['TERM'] !== 'dumb',
    get rows() {
      return stdout.isTTY && env['TERM'] !== 'dumb' ? stdout.rows : undefined;
    },
    ask: stdin.isTTY && stderr.isTTY ? askAtKeyboard : undefined,
    paint: (color, text) => styleText(color, text, { stream: stdout }),
  };
}

async function askAtKeyboard(question: string, signal: AbortSignal): Promise<string> {
  process.stderr.write(question);
  // Not as a terminal of readline's own: an interrupt stays a signal to this process.
  const keyboard = createInterface({ input: process.stdin, terminal: false });
  const over = new AbortController();
  const until = { signal: AbortSignal.any([signal, over.signal]) };
  try {
    const [line] = (await Promise.race([once(keyboard, 'line', until), once(keyboard, 'close', until)])) as unknown[];
    return typeof line === 'string' ? line.trim() : '';
  } catch (error) {
    if (signal.aborted) return '';
    throw error;
  } finally {
    over.abort();
    keyboard.close();
  }
}

/** `nodetender images | head` closes the pipe early, which is no error. */
function isClosedPipe({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';
}

function columnsFrom(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
}
