import type { LastReboot, Need, Observation, State } from '../state.ts';
import type { Moment } from './moment.ts';

/** After a reboot that the need outlived there is one more try, this long after it; the uptime counts, not the clock. */
export const SECOND_TRY_AFTER_MS = 24 * 3_600_000;

/** Enough for a person to see what it is about; the record has room for them. */
export const maxPackages = 20;
export const maxPackageLength = 64;

export type Wish =
  | { readonly kind: 'wanted'; readonly need: Need }
  /** The sentinel stands there, but reboots do not take it away: the next try, if any, comes when the host has been up so long. */
  | { readonly kind: 'ineffective'; readonly need: Need; readonly atUptimeMs: number | undefined }
  | { readonly kind: 'none' }
  /** The sentinel cannot be seen. */
  | { readonly kind: 'unknown' };

type WantedSentinel = Extract<NonNullable<Observation['sentinel']>, { wanted: true }>;

/** Whether a reboot is wanted now, by the sentinel or by a person's request. */
export function wishOf({ state, facts, node }: Moment): Wish {
  const { sentinel } = facts;
  const request = node.request === state.requestHandled ? undefined : node.request;
  const outlived = sentinel?.wanted === true && hasOutlivedReboot(state, facts, sentinel);
  if (sentinel?.wanted === true && !outlived) return { kind: 'wanted', need: mergedNeed(state, sentinel, request) };
  if (request !== undefined) {
    const sinceMs = state.need?.request === request ? state.need.sinceMs : facts.nowMs;
    const writtenAtMs = sentinel === undefined ? state.need?.writtenAtMs : writtenAt(sentinel);
    return { kind: 'wanted', need: { kind: 'request', sinceMs, packages: [], request, writtenAtMs } };
  }
  if (sentinel === undefined) return { kind: 'unknown' };
  if (!sentinel.wanted) return { kind: 'none' };
  const need = mergedNeed(state, sentinel, undefined);
  if (state.inVain > 1) return { kind: 'ineffective', need, atUptimeMs: undefined };
  if (facts.uptimeMs < SECOND_TRY_AFTER_MS) return { kind: 'ineffective', need, atUptimeMs: SECOND_TRY_AFTER_MS };
  return { kind: 'wanted', need };
}

/** A person who asks for it now does not mean after the next window. */
export function isUrgent(need: Need | undefined): boolean {
  return need?.request?.startsWith('now') ?? false;
}

/**
 * What the sentinel shows about the last reboot, once it can be seen in the boot that came of it: the very need of before was not
 * met by it. Returns the fields that change.
 */
export function judgement({ state, facts }: Moment): Pick<State, 'lastReboot' | 'inVain'> | undefined {
  const { lastReboot, inVain } = state;
  const { sentinel } = facts;
  if (sentinel === undefined) return undefined;
  if (lastReboot?.bootId === facts.bootId && !lastReboot.judged) {
    const wasInVain = sentinel.wanted && isSameAsBefore(lastReboot, sentinel);
    return { lastReboot: { ...lastReboot, judged: true }, inVain: wasInVain ? inVain + 1 : 0 };
  }
  if (!sentinel.wanted && inVain > 0) return { lastReboot, inVain: 0 };
  return undefined;
}

function hasOutlivedReboot(state: State, facts: Observation, sentinel: WantedSentinel): boolean {
  const { lastReboot, inVain } = state;
  return lastReboot?.bootId === facts.bootId && lastReboot.judged && inVain > 0 && isSameAsBefore(lastReboot, sentinel);
}

/**
 * One that was written anew is a new need, however soon after the boot and however often: a package run at boot brings the next
 * kernel that way, and nothing in the file tells it from a script that always writes it. That is for people, by an alert on the number
 * of reboots. No clock is asked for it: one that was set after the boot would make a sentinel of this boot look older than it, or an old one
 * younger. A command has no time: as long as it has not been seen false it is the need of before the reboot.
 */
function isSameAsBefore({ needWrittenAtMs }: LastReboot, sentinel: WantedSentinel): boolean {
  return sentinel.kind === 'command' || (needWrittenAtMs !== undefined && writtenAt(sentinel) === needWrittenAtMs);
}

/** Times of a record are of whole milliseconds, and of these years: others have no form in it that could be read again. */
const latestMs = Date.UTC(9999, 0, 1);

/** A file may have any time that its file system has room for, and a broken one none. */
export function recordableMs(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, Math.floor(ms)), latestMs);
}

function writtenAt(sentinel: NonNullable<Observation['sentinel']>): number | undefined {
  if (!sentinel.wanted || sentinel.writtenAtMs === undefined) return undefined;
  return recordableMs(sentinel.writtenAtMs);
}

function mergedNeed(state: State, sentinel: WantedSentinel, request: string | undefined): Need {
  // Each package run touches the file: the place in the queue stays that of the first.
  const sinceMs = Math.min(recordableMs(sentinel.sinceMs), state.need?.sinceMs ?? Number.POSITIVE_INFINITY);
  const packages = sentinel.packages.filter((name) => name.length <= maxPackageLength).slice(0, maxPackages);
  const { kind } = sentinel;
  return { kind, sinceMs, packages, writtenAtMs: writtenAt(sentinel), ...(request === undefined ? {} : { request }) };
}
