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

/** Votes and health are looked at this often while they are waited for. */
export const ASK_EVERY_MS = 15_000;

/** With a slot in hand others wait, and a node may stand empty: answers must be of this minute. */
export const FRESH_MS = 60_000;
