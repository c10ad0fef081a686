import { isNodetenderError, messageOf } from '../errors.ts';
import { exitStatus } from './host.ts';
import { printable } from './table.ts';
import type { Terminal } from './terminal.ts';

/** Says on standard error what went wrong, without a stack, and gives the exit status. */
export function reportFailure(terminal: Terminal, error: unknown, verbose: boolean): number {
  terminal.err(`error: ${lines(messageOf(error))}\n`);
  if (verbose) {
    for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
      terminal.err(`${depth === 0 ? '' : 'caused by: '}${cause.stack ?? cause.message}\n`);
    }
  }
  if (isNodetenderError(error, 'cluster/cancelled')) return exitStatus.interrupted;
  return isNodetenderError(error, 'usage', 'rule/invalid', 'config/invalid', 'config/unreadable')
    ? exitStatus.usage
    : exitStatus.failed;
}

/** A refused configuration has a line for each field; no line may steer the terminal. */
function lines(message: string): string {
  return message.split('\n').map(printable).join('\n');
}
