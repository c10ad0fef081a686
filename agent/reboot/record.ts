import * as z from 'zod/mini';
import { annotationPrefix, nodeAnnotations, stateLabel } from '../cluster/names.ts';
import { decode, type Decoded, maxRequestLength, maxTextLength, shortened } from '../cluster/records.ts';
import { maxDaemonSets } from './gates/health.ts';
import { maxGateLength, maxGates } from './machine/moment.ts';
import { maxPackageLength, maxPackages, recordableMs } from './machine/need.ts';
import {
  initialState,
  type LastReboot,
  marks,
  type Need,
  needKinds,
  type Phase,
  phases,
  reasonCodes,
  type State,
} from './state.ts';

/**
 * The State as it stands on the Node: the phase as a label, for lists and selectors, and all of it as JSON in an annotation, with
 * times that a person can read. Written bounded, read with distrust.
 */

/**
 * More than ours ever are, however a person's words grow by the escapes of JSON: 253 characters of a request, twice, and 256 of a
 * reason, gates, packages and DaemonSets. A record that we would not read again ourselves would leave a node cordoned.
 */
const maxBytes = 20_480;

/** A domain of 253 characters, a slash and a name of 63. */
const maxTaintLength = 317;

/** A namespace of 63, a slash and a name of 253. */
const maxDaemonSetLength = 317;

const name = z.string().check(z.minLength(1), z.maxLength(maxRequestLength));
const count = z.number().check(z.int(), z.nonnegative(), z.maximum(1e6));
const time = z.iso.datetime();

const schema = z.object({
  phase: z.enum(phases),
  since: time,
  reason: z.object({
    // One of a newer agent, before it was rolled back: whatever it told, the phase says what to do.
    // oxlint-disable-next-line promise/valid-params -- zod's, no promise's
    code: z.catch(z.enum(reasonCodes), 'unknown-facts'),
    text: z.string().check(z.maxLength(maxTextLength)),
    gates: z.optional(z.array(z.string().check(z.maxLength(maxGateLength))).check(z.maxLength(maxGates))),
  }),
  nodeUid: name,
  need: z.optional(
    z.object({
      kind: z.enum(needKinds),
      since: time,
      packages: z.array(z.string().check(z.maxLength(maxPackageLength))).check(z.maxLength(maxPackages)),
      request: z.optional(name),
      writtenAt: z.optional(time),
    }),
  ),
  slot: z.optional(name),
  /** For those who see no configuration of an agent; it is none to go by. */
  pool: z.optional(name),
  limits: z.optional(z.object({ slots: z.optional(count), cap: z.optional(count) })),
  bootId: z.optional(name),
  cordonedByUs: z.boolean(),
  marks: z.array(z.enum(marks)).check(z.maxLength(marks.length)),
  softTaint: z.optional(z.string().check(z.maxLength(maxTaintLength))),
  notReadyBefore: z.optional(
    z.array(z.string().check(z.maxLength(maxDaemonSetLength))).check(z.maxLength(maxDaemonSets)),
  ),
  failures: count,
  retryAt: z.optional(time),
  lastReboot: z.optional(
    z.object({
      bootId: name,
      at: time,
      judged: z.boolean(),
      needWrittenAt: z.optional(time),
      announced: z.optional(z.boolean()),
    }),
  ),
  inVain: count,
  requestHandled: z.optional(name),
});
type Json = z.output<typeof schema>;

const pastSchema = z.object({ nodeUid: schema.shape.nodeUid, requestHandled: schema.shape.requestHandled });

/** What of a Node is read here. */
export interface RecordedOn {
  readonly uid: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Ours alone, by their names after `nodetender.dev/`. */
  readonly annotations: ReadonlyMap<string, string>;
}

/** What the agent's configuration says of its pool, for those who do not see it. */
export interface RecordedPool {
  readonly name: string;
  /** Undefined where they are a share of its nodes, of which it is not known how many there are. */
  readonly slots?: number | undefined;
  /** Of all pools together; undefined: there is none. */
  readonly cap?: number | undefined;
}

/** `metadata` of the patch that records `state`, of a node of that pool. */
export function recordPatch(
  state: State,
  pool?: RecordedPool,
): {
  labels: Record<string, string | null>;
  annotations: Record<string, string>;
} {
  return {
    labels: { [stateLabel]: state.phase === 'idle' ? null : state.phase },
    annotations: { [`${annotationPrefix}${nodeAnnotations.rebootStatus}`]: encodeState(state, pool) },
  };
}

/**
 * The state to go on from, and what was wrong with the record, if anything. Of a damaged record the label still says whether a
 * reboot was under way: then the node has to show that it is well before its slot goes on, and its cordon, of which nobody
 * knows whose it is, stays. Otherwise a slot that it may have goes back, and a new record takes the place of the damaged one.
 * `before` is the record as it was seen last: one that somebody has taken away is damaged, too.
 */
export function recordedState(
  node: RecordedOn,
  bootId: string,
  nowMs: number,
  before?: string,
): { state: State; problem?: string } {
  const json = node.annotations.get(nodeAnnotations.rebootStatus);
  const phase = node.labels.get(stateLabel);
  const blank = initialState(node.uid, nowMs);
  const past = before === undefined ? undefined : pastIn(before);
  const known = past?.nodeUid === node.uid ? past : undefined;
  if (json === undefined && phase === undefined && known === undefined) return { state: blank };
  const decoded: Decoded<State> = json === undefined ? { ok: false, problem: 'found none' } : decodeState(json);
  if (decoded.ok) return { state: decoded.value };
  const problem = `${annotationPrefix}${nodeAnnotations.rebootStatus}: ${decoded.problem}`;
  const reason = { code: 'record-damaged', text: 'the record of a reboot is damaged; a cordon stays' } as const;
  const isUnderWay = phase !== undefined && !restful.has(phase);
  const requestHandled = (json === undefined ? undefined : pastIn(json)?.requestHandled) ?? known?.requestHandled;
  return {
    state: { ...blank, phase: isUnderWay ? 'verifying' : 'releasing', reason, bootId, requestHandled },
    problem,
  };
}

/** A newer agent's record cannot be gone on from; what it has done for a person must not be done again for that. */
function pastIn(json: string): z.output<typeof pastSchema> | undefined {
  const decoded = decode(pastSchema, json, maxBytes);
  return decoded.ok ? decoded.value : undefined;
}

/** The node was in use then. Of a label that we do not know, as of a newer agent, nobody can say that. */
const restful: ReadonlySet<string> = new Set<Phase>(['wanted', 'waiting', 'releasing', 'backing-off']);

export function encodeState(state: State, pool?: RecordedPool): string {
  const { phase, sinceMs, reason, nodeUid, need, lastReboot, retryAtMs } = state;
  const json: Json = {
    phase,
    since: iso(sinceMs),
    reason: { code: reason.code, text: shortened(reason.text), gates: reason.gates && [...reason.gates] },
    nodeUid,
    need: need && recordedNeed(need),
    slot: state.slot,
    pool: pool?.name,
    limits: pool && { slots: pool.slots, cap: pool.cap },
    bootId: state.bootId,
    cordonedByUs: state.cordonedByUs,
    marks: [...state.marks],
    softTaint: state.softTaint,
    notReadyBefore: state.notReadyBefore && [...state.notReadyBefore],
    failures: state.failures,
    retryAt: isoOrNone(retryAtMs),
    lastReboot: lastReboot && recordedReboot(lastReboot),
    inVain: state.inVain,
    requestHandled: state.requestHandled,
  };
  return JSON.stringify(json);
}

export function decodeState(value: string): Decoded<State> {
  const decoded = decodeRecord(value);
  return decoded.ok ? { ok: true, value: decoded.value.state } : decoded;
}

/**
 * The same with the pool of the node, where an agent has written which it is; `hasLimits` where it has written those, too, which
 * agents before did not.
 */
export function decodeRecord(
  value: string,
): Decoded<{ readonly state: State; readonly pool: RecordedPool | undefined; readonly hasLimits: boolean }> {
  const decoded = decode(schema, value, maxBytes);
  if (!decoded.ok) return decoded;
  const { since, need, retryAt, lastReboot, pool, limits, ...same } = decoded.value;
  const state: State = {
    ...same,
    sinceMs: Date.parse(since),
    need: need && needOf(need),
    retryAtMs: retryAt === undefined ? undefined : Date.parse(retryAt),
    lastReboot: lastReboot && rebootOf(lastReboot),
  };
  const recorded = pool === undefined ? undefined : { name: pool, ...limits };
  return { ok: true, value: { state, pool: recorded, hasLimits: limits !== undefined } };
}

function recordedNeed({ kind, sinceMs, packages, request, writtenAtMs }: Need): NonNullable<Json['need']> {
  return { kind, since: iso(sinceMs), packages: [...packages], request, writtenAt: isoOrNone(writtenAtMs) };
}

function needOf({ kind, since, packages, request, writtenAt }: NonNullable<Json['need']>): Need {
  return {
    kind,
    sinceMs: Date.parse(since),
    packages,
    writtenAtMs: writtenAt === undefined ? undefined : Date.parse(writtenAt),
    ...(request === undefined ? {} : { request }),
  };
}

function recordedReboot({ atMs, needWrittenAtMs, ...same }: LastReboot): NonNullable<Json['lastReboot']> {
  return { ...same, at: iso(atMs), needWrittenAt: isoOrNone(needWrittenAtMs) };
}

function rebootOf({ at, needWrittenAt, ...same }: NonNullable<Json['lastReboot']>): LastReboot {
  const needWrittenAtMs = needWrittenAt === undefined ? undefined : Date.parse(needWrittenAt);
  return { ...same, atMs: Date.parse(at), needWrittenAtMs };
}

function isoOrNone(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : iso(ms);
}

function iso(ms: number): string {
  // Also that of a host whose clock says anything.
  return new Date(recordableMs(ms)).toISOString();
}
