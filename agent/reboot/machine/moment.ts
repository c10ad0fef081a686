import type { Random } from '../../clock.ts';
import type { Settings } from '../settings.ts';
import type { Answers, Observation, Question, State } from '../state.ts';

export type NodeFacts = NonNullable<Observation['node']>;

/** All that a phase decides by: what is remembered, what is seen, what is configured. The node is known and is the recorded one. */
export interface Moment {
  readonly state: State;
  readonly facts: Observation;
  readonly node: NodeFacts;
  readonly settings: Settings;
  readonly random: Random;
}

/** The cordon that stands is the one that we put there. */
export function hasOurCordon({ state, node }: Moment): boolean {
  return state.cordonedByUs && node.unschedulable && !node.cordonedBySomebody;
}

/** Answers not older than `maxAgeMs`, of an asking that began `sinceMs` ago at the earliest; undefined asks for new ones. */
export function freshAnswers({ facts }: Moment, question: Question, freshness: Freshness): Answers | undefined {
  const { maxAgeMs, sinceMs = Number.POSITIVE_INFINITY } = freshness;
  const answers = facts.answers[question];
  return answers !== undefined && answers.answeredAgoMs <= maxAgeMs && answers.askedAgoMs <= sinceMs
    ? answers
    : undefined;
}

export interface Freshness {
  readonly maxAgeMs: number;
  readonly sinceMs?: number;
}

/** The first three, in words: more of them would not fit an Event. */
export function blockersInWords({ blockedBy }: Pick<Answers, 'blockedBy'>): string {
  const first = blockedBy.slice(0, 3).map(({ gate, reason }) => `${gate}: ${reason}`);
  const more = blockedBy.length - first.length;
  return `${first.join('; ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** A record has room for so many names of such a length. */
export const maxGates = 10;
export const maxGateLength = 100;

/** The names of all that is in the way, each once. */
export function gatesOf({ blockedBy }: Pick<Answers, 'blockedBy'>): string[] {
  const names = new Set(blockedBy.map(({ gate }) => gate.slice(0, maxGateLength)));
  return [...names].toSorted().slice(0, maxGates);
}

/** Votes and health are looked at this often while they are waited for. */
export const ASK_EVERY_MS = 15_000;

/** With a slot in hand others wait, and a node may stand empty: answers must be of this minute. */
export const FRESH_MS = 60_000;
