import type { ErrorCode } from '../errors.ts';
import { NodetenderError } from '../errors.ts';

/** The gRPC status codes a runtime answers with, by number (https://grpc.io/docs/guides/status-codes/). */
export const grpcStatus = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** How a call ended, as gRPC says it. */
export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
}

/** Which call it was; for the message. */
export interface FailedCall {
  /** As in the protocol: `ListImages`. */
  readonly method: string;
  /** As given or found: `unix:///run/containerd/containerd.sock`. */
  readonly endpoint: string;
  readonly deadlineMs: number;
}

const otherSocket =
  "Name the runtime's own socket with --runtime-endpoint or runtime.endpoint, for example unix:///run/containerd/containerd.sock";

/** A gRPC failure as our error: what happened at which socket, and what to do about it. */
export function runtimeError(failure: GrpcFailure, call: FailedCall, cause?: unknown): NodetenderError {
  const { code, message } = explain(failure, call);
  return new NodetenderError(code, message, cause === undefined ? {} : { cause });
}

/** The caller, or the end of the connection, stopped the call. A CANCELLED from the runtime is its own doing. */
export function cancelledError(method: string): NodetenderError {
  return new NodetenderError('runtime/cancelled', `${method} was cancelled`);
}

function explain(failure: GrpcFailure, call: FailedCall): { code: ErrorCode; message: string } {
  const { code } = failure;
  const { method, endpoint } = call;
  const details = withoutNoise(failure.details);
  switch (code) {
    case grpcStatus.deadlineExceeded:
      return {
        code: 'runtime/deadline',
        message: `${method}: no answer from ${endpoint} within ${call.deadlineMs / 1000} s. Expected a CRI v1 runtime; look whether it is overloaded, hangs, or whether another program listens there`,
      };
    case grpcStatus.notFound:
      return {
        code: 'runtime/not-found',
        message: `${method}: the runtime at ${endpoint} does not have it: ${details}`,
      };
    case grpcStatus.unimplemented:
      return explainUnimplemented(details, call);
    case grpcStatus.cancelled:
    // Not by us, or we would not ask: a runtime that shuts down resets what is in flight.
    case grpcStatus.unavailable:
      return explainUnavailable(details, call);
    case grpcStatus.resourceExhausted:
      return {
        code: 'runtime/bad-response',
        message: `${method}: the answer of ${endpoint} exceeds the limit: ${details}`,
      };
    default:
  }
  if (code === grpcStatus.internal && details.includes('parsing error')) {
    return {
      code: 'runtime/bad-response',
      message: `${method}: ${endpoint} answered with bytes that are no CRI message: ${details}`,
    };
  }
  if (details.includes('without gRPC status')) return notCri(endpoint, details);
  if (method === 'RemoveImage' && /\bin use\b|\bused by\b/i.test(details)) {
    return { code: 'runtime/image-in-use', message: `the runtime refuses to remove the image: ${details}` };
  }
  return { code: 'runtime/failed', message: `${method} failed at ${endpoint}: ${details} (gRPC status ${code})` };
}

function explainUnimplemented(details: string, { method, endpoint }: FailedCall): { code: ErrorCode; message: string } {
  // containerd and CRI-O answer so for a service that is not registered, as every Go gRPC server does.
  // Version is the first call of CRI: whoever does not know it serves none.
  if (/unknown service runtime\.v1\./.test(details) || (method === 'Version' && !details.includes('HTTP status'))) {
    return {
      code: 'runtime/cri-disabled',
      message: `${endpoint} speaks gRPC but serves no CRI v1 (${details}). With containerd: take "cri" (2.x: "io.containerd.grpc.v1.cri") out of disabled_plugins in /etc/containerd/config.toml and restart it; CRI v1 needs containerd 1.6 or newer`,
    };
  }
  if (details.includes('HTTP status')) return notCri(endpoint, details);
  return { code: 'runtime/unimplemented', message: `the runtime at ${endpoint} does not know ${method}: ${details}` };
}

function explainUnavailable(details: string, { method, endpoint }: FailedCall): { code: ErrorCode; message: string } {
  if (details.includes('ENOENT')) {
    return {
      code: 'runtime/no-socket',
      message: `no socket at ${endpoint}. Expected a container runtime to listen there; start it, or name its socket with --runtime-endpoint or runtime.endpoint`,
    };
  }
  if (details.includes('EACCES') || details.includes('EPERM')) {
    return {
      code: 'runtime/no-permission',
      message: `no permission to connect to ${endpoint}. The runtime's socket belongs to root: run as root, or with the socket's group`,
    };
  }
  if (details.includes('ENOTSOCK') || /protocol error|parse error|bad client magic/i.test(details)) {
    return {
      code: 'runtime/not-a-cri-server',
      message: `${endpoint} does not speak gRPC (${details}). ${otherSocket}`,
    };
  }
  return {
    code: 'runtime/unavailable',
    message: `${method}: no connection to ${endpoint}: ${details}. The runtime may be restarting; look at its log if this stays`,
  };
}

function notCri(endpoint: string, details: string): { code: ErrorCode; message: string } {
  return {
    code: 'runtime/not-a-cri-server',
    message: `${endpoint} does not speak CRI v1 over gRPC (${details}). ${otherSocket}`,
  };
}

/** grpc-js wraps what the system said in words that tell a person nothing. */
function withoutNoise(details: string): string {
  return details
    .replace(/^No connection established\. Last error: /, '')
    .replace(/ \(\d{4}-[\d-]+T[\d:.]+Z\)/, '')
    .replace(/\.? Resolution note: *$/, '');
}
