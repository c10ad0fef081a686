import type { Json, JsonObject } from './objects.ts';

/** A refusal as the API server words it: the HTTP status and the Status object of the body. */
export class StatusError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: number,
    reason: string,
    message: string,
    options: { details?: JsonObject; retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.details = {
      ...options.details,
      ...(options.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: options.retryAfterSeconds }),
    };
  }

  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** What an error is about: `nodes`, or `leases.coordination.k8s.io`. */
export interface Subject {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
  readonly name: string;
}

function qualified({ group, plural }: Subject): string {
  return group === '' ? plural : `${plural}.${group}`;
}

function about(subject: Subject, kind = subject.plural): JsonObject {
  return { name: subject.name, ...(subject.group === '' ? {} : { group: subject.group }), kind };
}

export function notFound(subject: Subject): StatusError {
  return new StatusError(404, 'NotFound', `${qualified(subject)} "${subject.name}" not found`, {
    details: about(subject),
  });
}

/** A path that leads nowhere. */
export function noSuchPath(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource');
}

export function alreadyExists(subject: Subject): StatusError {
  return new StatusError(409, 'AlreadyExists', `${qualified(subject)} "${subject.name}" already exists`, {
    details: about(subject),
  });
}

export const modified = 'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(subject: Subject, why: string = modified): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${subject.name}": ${why}`;
  return new StatusError(409, 'Conflict', message, { details: about(subject) });
}

/** Nothing new comes into a namespace that is being deleted. */
export function namespaceTerminating(subject: Subject, namespace: string): StatusError {
  const message = `${qualified(subject)} "${subject.name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  };
  return new StatusError(403, 'Forbidden', message, { details: { ...about(subject), causes: [cause] } });
}

/** `causes`: field → what is wrong with it. */
export function invalid(subject: Subject, causes: Readonly<Record<string, string>>): StatusError {
  const entries = Object.entries(causes);
  const each = entries.map(([field, message]) => `${field}: ${message}`);
  const text = each.length === 1 ? each[0] : `[${each.join(', ')}]`;
  const kind = subject.group === '' ? subject.kind : `${subject.kind}.${subject.group}`;
  return new StatusError(422, 'Invalid', `${kind} "${subject.name}" is invalid: ${text}`, {
    details: {
      ...about(subject, subject.kind),
      causes: entries.map(([field, message]): Json => ({ reason: 'FieldValueInvalid', message, field })),
    },
  });
}

export function badRequest(message: string): StatusError {
  return new StatusError(400, 'BadRequest', message);
}

/** The history that a resourceVersion or a continue token needs is no longer there. */
export function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message);
}
