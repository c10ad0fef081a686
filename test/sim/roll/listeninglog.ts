import { isNodetenderError, messageOf } from '../../../agent/errors.ts';
import type { Logger } from '../../../agent/observe/log.ts';

const nothing = (): void => undefined;

/** A log that nobody reads, but for errors that no outside can explain: those are defects. */
export function listening(onDefect: (what: string) => void): Logger {
  const listen = (fields: unknown, message?: string): void => {
    const { error } = typeof fields === 'object' && fields !== null ? (fields as { readonly error?: unknown }) : {};
    if (error !== undefined && !isNodetenderError(error)) {
      onDefect(`${message}: ${messageOf(error)}`);
    }
  };
  const log = { level: 'error', trace: nothing, debug: nothing, info: nothing, warn: listen, error: listen };
  return log as unknown as Logger;
}
