import { destination, pino, stdTimeFunctions } from 'pino';
import type { DestinationStream, Logger as PinoLogger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type Logger = PinoLogger;

/**
 * A log of one JSON object per line: `time` (ISO 8601, UTC), `level` (its name), `msg`, and the fields of the decision.
 * Lines are written at once: the agent writes a few an hour, and the last ones before a crash are those that matter.
 * `stream` is standard output unless given. The level can be changed while it runs: `logger.level = 'debug'`.
 */
export function createLogger(options: { level: LogLevel; stream?: DestinationStream | undefined }): Logger {
  return pino(
    {
      level: options.level,
      // Neither process ID nor host name: on a node both are already on every line the kubelet or journald keeps.
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: serializeError },
    },
    // Not a pino transport: that starts a worker thread, which costs more memory than all of this agent's own work.
    options.stream ?? standardOutput(),
  );
}

/** What waits while the log cannot be written; lines beyond it are lost. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024;

/** Goes on where it cannot be written, because its disk is full, say: an agent that ended then could not make room. */
function standardOutput(): DestinationStream {
  const stream = destination({ fd: 1, sync: true, maxLength: MAX_UNWRITTEN_BYTES });
  // What could not be written goes out with the next line for which there is room.
  stream.on('error', () => undefined);
  return stream;
}

/** How deep a chain of causes is written; a longer one, or one that bites its own tail, is cut. */
const MAX_CAUSES = 4;

/** An error as plain fields. Its stack only where it has no code (ours, the system's and gRPC's have one): then it is a defect. */
function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? error.code : undefined;
  return {
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(code === undefined ? { stack: error.stack } : {}),
    ...(error.cause === undefined || depth >= MAX_CAUSES ? {} : { cause: serializeError(error.cause, depth + 1) }),
  };
}
