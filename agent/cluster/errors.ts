import { type ErrorCode, messageOf, NodetenderError } from '../errors.ts';

type ClusterErrorCode = Extract<ErrorCode, `cluster/${string}`>;

interface ClusterErrorOptions {
  readonly retryAfterMs?: number | undefined;
  readonly notApplied?: boolean | undefined;
  readonly cause?: unknown;
}

/** What went wrong between us and an API server, with what a caller needs to decide whether to try again. */
export class ClusterError extends NodetenderError {
  declare readonly code: ClusterErrorCode;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number | undefined;
  /**
   * The server has surely not acted on the request: it said so, or never got it. Where false, a write may have happened
   * all the same and must be looked for.
   */
  readonly notApplied: boolean;

  constructor(code: ClusterErrorCode, message: string, options: ClusterErrorOptions = {}) {
    super(code, message, options.cause === undefined ? {} : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
    this.notApplied = options.notApplied ?? false;
  }
}

/** What was asked, for messages: `patch nodes/node-1`. */
export interface Asked {
  readonly verb: string;
  /** `nodes/node-1`, `pods in all namespaces`, `pods/eviction shop/web-0`. */
  readonly what: string;
}

/** An answer that is no success. */
export interface Refusal {
  readonly httpStatus: number;
  /** The Retry-After header. */
  readonly retryAfter: string | undefined;
  /** The body as JSON, a Status for one from an API server; undefined for anything else. */
  readonly status: unknown;
}

/** The part of meta/v1 Status that is read. Everything may be missing: proxies answer too. */
interface Status {
  readonly reason: string;
  readonly message: string;
  readonly causes: readonly string[];
  readonly retryAfterSeconds: number | undefined;
}

/** What a caller of the port is told of an HTTP answer or of a watch's ERROR event. */
export function refusalError(refusal: Refusal, { verb, what }: Asked, nowMs: number): ClusterError {
  const status = readStatus(refusal.status);
  const code = codeOf(refusal.httpStatus, status);
  const said = status.message === '' ? `HTTP ${refusal.httpStatus}` : status.message;
  const retryAfterMs = retryAfterOf(refusal.retryAfter, nowMs) ?? secondsToMs(status.retryAfterSeconds);
  return new ClusterError(code, `${verb} ${what}: ${said}${adviceFor(code, said, verb, what)}`, {
    retryAfterMs,
    // With 5xx a proxy may speak for a server that went on working.
    notApplied: refusal.httpStatus < 500,
  });
}

/** Longer messages than this are somebody's mistake or malice; they end up in Events and logs. */
const maxMessageLength = 1_000;

function readStatus(status: unknown): Status {
  const { reason, message, details } = record(status);
  const { causes, retryAfterSeconds } = record(details);
  return {
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message.slice(0, maxMessageLength) : '',
    causes: Array.isArray(causes) ? causes.map((cause) => String(record(cause)['reason'])) : [],
    retryAfterSeconds: typeof retryAfterSeconds === 'number' ? retryAfterSeconds : undefined,
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function codeOf(httpStatus: number, status: Status): ClusterErrorCode {
  switch (httpStatus) {
    case 401:
      return 'cluster/unauthorized';
    case 403:
      // What may be written tomorrow is no matter of permissions: a namespace that is going takes nothing new.
      return status.causes.includes('NamespaceTerminating') ? 'cluster/namespace-terminating' : 'cluster/forbidden';
    case 404:
      return 'cluster/not-found';
    case 409:
      return status.reason === 'AlreadyExists' ? 'cluster/already-exists' : 'cluster/conflict';
    case 410:
      return 'cluster/gone';
    case 429:
      // Both throttling and a PodDisruptionBudget are 429; only the cause tells them apart.
      return status.causes.includes('DisruptionBudget') ? 'cluster/disruption-budget' : 'cluster/throttled';
    case 500:
      // Nothing but its words tells it from an internal error (EvictionREST of kube-apiserver).
      return status.message.includes('more than one PodDisruptionBudget')
        ? 'cluster/several-budgets'
        : 'cluster/failed';
    case 502:
    case 503:
      return 'cluster/unavailable';
    case 504:
      return 'cluster/timeout';
    default:
      return httpStatus >= 400 && httpStatus < 500 ? 'cluster/invalid' : 'cluster/failed';
  }
}

/** https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement */
const ownersGuarded = "ownerRef on a resource you can't delete";

function adviceFor(code: ClusterErrorCode, said: string, verb: string, what: string): string {
  if (code === 'cluster/forbidden') {
    const missing = said.includes(ownersGuarded) ? 'delete' : verb;
    return `. Grant the verb "${missing}" on ${what.split(' ')[0] ?? what} in the ClusterRole`;
  }
  if (code === 'cluster/unauthorized')
    return '. The token or certificate was refused: is it expired, or for another cluster?';
  return '';
}

/** Retry-After, in seconds or as a date (RFC 9110, 10.2.3). */
function retryAfterOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  // Beginning with the day's name; Date.parse takes much else for a date.
  const dateMs = /^[a-z]{3}/i.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - nowMs);
}

function secondsToMs(seconds: number | undefined): number | undefined {
  // The API server leaves it out where it would be 0.
  return seconds === undefined || !(seconds > 0) ? undefined : seconds * 1000;
}

/** Failures of TLS that waiting does not cure. https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const untrustedCodes = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** No connection came about: nothing was sent. */
export function dialError(server: string, cause: unknown): ClusterError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (untrustedCodes.has(code)) {
    return new ClusterError(
      'cluster/untrusted',
      `${server} shows a certificate that is not trusted: ${messageOf(cause)} (${code}). Expected one that the cluster's CA has signed for this name; look at the CA in the service account or kubeconfig, and at this machine's clock`,
      { cause, notApplied: true },
    );
  }
  return new ClusterError('cluster/unavailable', `no connection to ${server}: ${messageOf(cause)}`, {
    cause,
    notApplied: true,
  });
}

/** A connection ended under a request. */
export function cutError(server: string, cause: unknown, notApplied = false): ClusterError {
  return new ClusterError('cluster/unavailable', `the connection to ${server} was cut: ${messageOf(cause)}`, {
    cause,
    notApplied,
  });
}

export function cancelledError({ verb, what }: Asked): ClusterError {
  return new ClusterError('cluster/cancelled', `${verb} ${what} was cancelled`);
}

export function deadlineError({ verb, what }: Asked, deadlineMs: number, cause?: unknown): ClusterError {
  const last = cause === undefined ? '' : ` (last: ${messageOf(cause)})`;
  return new ClusterError('cluster/timeout', `${verb} ${what}: no answer within ${deadlineMs / 1000} s${last}`, {
    cause,
  });
}
