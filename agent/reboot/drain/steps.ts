import type { Budget } from './budget.ts';
import type { ObstacleCode } from './eviction.ts';
import { type Lane, laneOf } from './lanes.ts';
import type { DrainOptions } from './options.ts';
import type { DrainPod } from './pod.ts';

/** A pod that has to go, and how far it is. Times are monotonic. */
export interface Candidate {
  readonly pod: DrainPod;
  readonly standing: Standing;
  /** When its eviction was first asked for, or its end first seen. */
  readonly askedAtMs: number | undefined;
}

export type Standing =
  | { readonly is: 'queued' }
  /** A request is under way. */
  | { readonly is: 'asking' }
  /** Asked for in vain: `why` is one sentence. */
  | { readonly is: 'blocked'; readonly obstacle: ObstacleCode; readonly why: string }
  /** Accepted. */
  | { readonly is: 'ending' }
  | { readonly is: 'given-up'; readonly obstacle: ObstacleCode; readonly why: string };

/** When a lane may be asked again. */
export interface LaneRest {
  readonly untilMs: number;
  /** The version of its budget that was in force: a later one that allows something ends the rest. */
  readonly budgetVersion: string | undefined;
}

export interface StepFacts {
  readonly candidates: readonly Candidate[];
  /** Undefined while not known. */
  readonly budgets: readonly Budget[] | undefined;
  readonly rests: ReadonlyMap<string, LaneRest>;
  readonly options: Pick<DrainOptions, 'parallelism' | 'podTimeoutMs' | 'gracePeriodSeconds' | 'whenStuck'>;
  readonly nowMs: number;
}

export interface Steps {
  /** Whose eviction to ask for now. */
  readonly ask: readonly { readonly pod: DrainPod; readonly lane: Lane }[];
  /** Who end without having been asked. */
  readonly ending: readonly DrainPod[];
  /** Who have had their time. */
  readonly late: readonly DrainPod[];
  /** Look again then, if nothing happens before. */
  readonly nextAtMs: number | undefined;
  /** All that can go is gone, or has to stay for what cannot. */
  readonly finished: boolean;
}

/** What to do next with the pods that have to go. */
export function nextSteps(facts: StepFacts): Steps {
  const { candidates, options, nowMs } = facts;
  const open = candidates.filter(({ standing }) => standing.is !== 'given-up');
  const late = open.filter((candidate) => deadlineOf(candidate, options.podTimeoutMs) <= nowMs);
  const inTime = open.filter((candidate) => !late.includes(candidate));
  const ending = inTime.filter(({ pod, standing }) => isEndingAnyway(pod, standing, options.gracePeriodSeconds));
  const wave = waveOf(candidates, inTime, options.whenStuck === 'go-on');
  const { ask, nextAtMs } = choose(
    wave.filter((candidate) => !ending.includes(candidate)),
    open,
    facts,
  );
  const deadlines = inTime.map((candidate) => deadlineOf(candidate, options.podTimeoutMs));
  const nextMs = Math.min(nextAtMs, ...deadlines);
  return {
    ask,
    ending: ending.map(({ pod }) => pod),
    late: late.map(({ pod }) => pod),
    nextAtMs: nextMs === Number.POSITIVE_INFINITY ? undefined : nextMs,
    finished: wave.length === 0,
  };
}

/**
 * Whoever serves the others, a DNS server or a storage driver, stays until they have ended; also until a person has seen to one
 * that was given up, for it goes on working on a node that is not rebooted for now.
 */
function waveOf(all: readonly Candidate[], inTime: readonly Candidate[], goesOn: boolean): readonly Candidate[] {
  const isOrdinary = ({ pod }: Candidate): boolean => !pod.critical;
  const ordinary = inTime.filter(isOrdinary);
  if (ordinary.length > 0) return ordinary;
  return goesOn || !all.some(isOrdinary) ? inTime : [];
}

/** Its end has begun, and an eviction would say nothing new. */
function isEndingAnyway(pod: DrainPod, { is }: Standing, gracePeriodSeconds: number | undefined): boolean {
  return pod.endsAtMs !== undefined && gracePeriodSeconds === undefined && (is === 'queued' || is === 'blocked');
}

function choose(
  wave: readonly Candidate[],
  open: readonly Candidate[],
  { budgets, rests, options, nowMs }: StepFacts,
): { ask: Steps['ask']; nextAtMs: number } {
  const busy = open.filter(({ standing }) => standing.is === 'asking');
  const taken = new Set(busy.map(({ pod }) => laneOf(pod, budgets).key));
  let room = options.parallelism - busy.length;
  const ask: { pod: DrainPod; lane: Lane }[] = [];
  let nextAtMs = Number.POSITIVE_INFINITY;
  for (const { pod } of wave.filter(isToBeAsked)) {
    const lane = laneOf(pod, budgets);
    if (taken.has(lane.key)) continue;
    const untilMs = restsUntil(lane, rests.get(lane.key));
    if (untilMs > nowMs) {
      nextAtMs = Math.min(nextAtMs, untilMs);
    } else if (room > 0) {
      room -= 1;
      taken.add(lane.key);
      ask.push({ pod, lane });
    }
  }
  return { ask, nextAtMs };
}

function isToBeAsked({ standing }: Candidate): boolean {
  return standing.is === 'queued' || standing.is === 'blocked';
}

function restsUntil({ budget }: Lane, rest: LaneRest | undefined): number {
  if (rest === undefined) return Number.NEGATIVE_INFINITY;
  const allowsAnew = budget !== undefined && budget.resourceVersion !== rest.budgetVersion && mayAllow(budget);
  return allowsAnew ? Number.NEGATIVE_INFINITY : rest.untilMs;
}

function mayAllow({ synced, allowed }: Budget): boolean {
  return synced && allowed > 0;
}

function deadlineOf({ askedAtMs }: Candidate, podTimeoutMs: number | undefined): number {
  return askedAtMs === undefined || podTimeoutMs === undefined ? Number.POSITIVE_INFINITY : askedAtMs + podTimeoutMs;
}

/** After an eviction that was accepted: where the budget, as known, has nothing left, asking at once would be in vain. */
export function isSpent(before: Budget | undefined, now: Budget | undefined): boolean {
  if (before === undefined || now === undefined) return false;
  // Has the server's count of this eviction arrived before its answer?
  const left = now.resourceVersion === before.resourceVersion ? now.allowed - 1 : now.allowed;
  return left <= 0;
}
