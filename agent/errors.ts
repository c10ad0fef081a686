/** Everything that can go wrong, as a closed set: callers switch on the code, people read the message. */
export type ErrorCode =
  // The container runtime (agent/runtime)
  | 'runtime/no-socket'
  | 'runtime/no-permission'
  | 'runtime/not-a-cri-server'
  | 'runtime/cri-disabled'
  | 'runtime/unavailable'
  | 'runtime/deadline'
  | 'runtime/cancelled'
  | 'runtime/unimplemented'
  | 'runtime/not-found'
  | 'runtime/image-in-use'
  | 'runtime/bad-response'
  | 'runtime/failed'
  // The configuration (agent/config)
  | 'config/unreadable'
  | 'config/invalid'
  // What a person typed
  | 'rule/invalid'
  | 'usage'
  // The state directory (agent/images/history.ts, schedule state, the run lock)
  | 'state/unreadable'
  | 'state/unwritable'
  // Kubernetes (agent/cluster)
  | 'cluster/no-access'
  | 'cluster/untrusted'
  | 'cluster/unauthorized'
  | 'cluster/forbidden'
  | 'cluster/not-found'
  | 'cluster/already-exists'
  | 'cluster/conflict'
  | 'cluster/gone'
  | 'cluster/invalid'
  | 'cluster/disruption-budget'
  | 'cluster/several-budgets'
  | 'cluster/namespace-terminating'
  | 'cluster/throttled'
  | 'cluster/unavailable'
  | 'cluster/failed'
  | 'cluster/timeout'
  | 'cluster/cancelled'
  | 'cluster/too-large'
  | 'cluster/bad-response'
  // Servers beside the API server (agent/web), Prometheus (agent/reboot/gates), messages (agent/observe/notify)
  | 'web/unreachable'
  | 'web/deadline'
  | 'web/cancelled'
  | 'web/too-large'
  | 'prometheus/failed'
  | 'prometheus/bad-response'
  | 'notify/no-url'
  | 'notify/refused'
  // A cleaning run
  | 'run/busy'
  | 'run/stopped'
  // Reboots (agent/reboot)
  | 'lock/lost'
  // The host (agent/host)
  | 'host/no-statfs'
  | 'host/no-boot'
  | 'host/sentinel-unreadable'
  | 'host/command-failed'
  | 'host/no-init'
  | 'host/no-bus'
  | 'host/bus-denied'
  | 'host/bus-unreachable'
  | 'host/bad-response'
  | 'host/no-logind'
  | 'host/logind-denied'
  | 'host/logind-failed'
  | 'host/deadline'
  | 'host/cancelled'
  | 'host/inhibited'
  | 'host/reboot-denied'
  | 'host/reboot-failed'
  | 'host/reboot-unanswered';

/**
 * The one error class. A message says what was expected, what was found, where, and what to do;
 * `cause` keeps the original for the log at debug level.
 */
export class NodetenderError extends Error {
  override readonly name = 'NodetenderError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** True when `error` is ours and, where codes are given, carries one of them. */
export function isNodetenderError(error: unknown, ...codes: ErrorCode[]): error is NodetenderError {
  return error instanceof NodetenderError && (codes.length === 0 || codes.includes(error.code));
}

/** The text of anything thrown, for messages that quote it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
