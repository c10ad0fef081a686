/** Who did what: one line of the API server's audit log. */
export interface AuditEvent {
  readonly user: string;
  /** get, list, watch, create, update, patch, delete, deletecollection. */
  readonly verb: string;
  /** '' for the core group. */
  readonly apiGroup: string;
  /** Empty for a path that is no resource, such as /readyz. */
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** The HTTP status it was answered with. */
  readonly code: number;
  /** Path with query. */
  readonly uri: string;
  readonly receivedAtMs: number;
}

/** Everything, without bodies, once per request: when a watch starts and when anything else ends. */
export const auditPolicy = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
});

/** The events of a log; a last line still being written is left out. */
export function parseAuditLog(text: string): AuditEvent[] {
  const events: AuditEvent[] = [];
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    if (line === '') continue;
    const event = JSON.parse(line) as LoggedEvent;
    // A watch is logged when it starts and again when it ends.
    if (event.verb === 'watch' && event.stage !== 'ResponseStarted') continue;
    if (event.verb !== 'watch' && event.stage === 'ResponseStarted') continue;
    const { objectRef } = event;
    events.push({
      user: event.user?.username ?? '',
      verb: event.verb,
      apiGroup: objectRef?.apiGroup ?? '',
      resource: objectRef?.resource ?? '',
      subresource: objectRef?.subresource ?? '',
      namespace: objectRef?.namespace ?? '',
      name: objectRef?.name ?? '',
      code: event.responseStatus?.code ?? 0,
      uri: event.requestURI,
      receivedAtMs: Date.parse(event.requestReceivedTimestamp),
    });
  }
  return events;
}

/** audit.k8s.io/v1 Event, as far as it is read. */
interface LoggedEvent {
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly requestReceivedTimestamp: string;
  readonly user?: { readonly username?: string };
  readonly responseStatus?: { readonly code?: number };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
}
