import { durationInWords } from '../../images/wording.ts';
import type { Need, Question, Reason } from '../state.ts';
import { blockersInWords, freshAnswers, type Freshness, gatesOf, type Moment } from './moment.ts';
import { isUrgent } from './need.ts';

export interface Obstacle {
  readonly reason: Reason;
  readonly untilMs?: number | undefined;
  /** Not an obstacle yet: the answer is not known. */
  readonly ask?: Question;
}

/** The first reason why a node that nothing has been taken from may not ask for a slot, or not keep the one it has just got. */
export function obstacleTo(moment: Moment, need: Need, maxAgeMs: number): Obstacle | undefined {
  return (
    held(moment) ??
    settling(moment) ??
    tooSoon(moment, need) ??
    outsideWindow(moment, need) ??
    slotsUnread(moment) ??
    gates(moment, { maxAgeMs })
  );
}

/** A person's word, about this node or about all. */
export function held({ facts, node, settings }: Moment): Obstacle | undefined {
  if (node.hold !== undefined) {
    const text = `the node is held${node.hold === '' ? '' : `: ${node.hold}`}`;
    return { reason: { code: 'held', text, gates: ['hold'] } };
  }
  if (!settings.enabled) {
    const text = 'reboots are off in the configuration of this agent: reboot.enabled is false';
    return { reason: { code: 'paused', text, gates: ['pause'] } };
  }
  if (facts.paused === undefined) {
    return { reason: { code: 'unknown-facts', text: 'it is not known whether all nodes are paused' } };
  }
  if (facts.paused === false) return undefined;
  const why = facts.paused === '' ? '' : `: ${facts.paused}`;
  return { reason: { code: 'paused', text: `reboots are paused on all nodes${why}`, gates: ['pause'] } };
}

export function outsideWindow({ facts }: Moment, need: Need | undefined): Obstacle | undefined {
  const { open, reason, changesAtMs } = facts.window;
  if (open || isUrgent(need)) return undefined;
  return { reason: { code: 'outside-window', text: reason, gates: ['window'] }, untilMs: changesAtMs };
}

export function gates(moment: Moment, freshness: Freshness): Obstacle | undefined {
  const answers = freshAnswers(moment, 'gates', freshness);
  if (answers === undefined) return { reason: { code: 'asking', text: 'the gates are being asked' }, ask: 'gates' };
  if (answers.blockedBy.length === 0) return undefined;
  const untilMs = moment.facts.nowMs + freshness.maxAgeMs - answers.answeredAgoMs + 1;
  const text = `blocked by ${blockersInWords(answers)}`;
  return { reason: { code: 'gate-blocks', text, gates: gatesOf(answers) }, untilMs };
}

/** A list takes a second. What fails for so long, while the Node can be read and written, is refused by a Role or by a webhook. */
const SLOTS_UNREAD_MS = 5 * 60_000;

/** Nobody knows who holds the slots, and it will not pass by itself. */
export function slotsUnread({ facts }: Moment): Obstacle | undefined {
  if (facts.lock !== undefined || facts.unknownForMs.slots < SLOTS_UNREAD_MS) return undefined;
  const text = 'the Leases cannot be read, so it is not known who holds the slots';
  return { reason: { code: 'facts-missing', text, gates: ['leases'] } };
}

/** Only a sentinel settles: a request is what it is. */
function settling({ facts, settings }: Moment): Obstacle | undefined {
  const { sentinel, nowMs } = facts;
  if (sentinel?.wanted !== true || sentinel.settledForMs >= settings.settleMs) return undefined;
  const text = `the sentinel may still change; it counts when it has not for ${durationInWords(settings.settleMs)}`;
  return {
    reason: { code: 'settling', text, gates: ['settle'] },
    untilMs: nowMs + settings.settleMs - sentinel.settledForMs,
  };
}

/** Whether it is a person, the window or the last boot that it waits for, whatever else is in the way. Undefined: not known. */
export function waitsForItsTime(moment: Moment, need: Need): boolean | undefined {
  const word = held(moment);
  const isUnknown = word?.reason.code === 'unknown-facts';
  if (word !== undefined && !isUnknown) return true;
  if (tooSoon(moment, need) !== undefined || outsideWindow(moment, need) !== undefined) return true;
  return isUnknown ? undefined : false;
}

/** By a need that has changed since the cordon: whoever takes back the word that it is to be now leaves one that waits like any other. */
export function outOfTime(moment: Moment, need: Need | undefined): Obstacle | undefined {
  const { state, settings } = moment;
  const soon = need && tooSoon(moment, need);
  if (soon !== undefined) return soon;
  const mayGoOn = settings.whenWindowCloses === 'go-on' && (isUrgent(need) || !isUrgent(state.need));
  return mayGoOn ? undefined : outsideWindow(moment, need);
}

function tooSoon({ facts, settings }: Moment, need: Need): Obstacle | undefined {
  const { uptimeMs, nowMs } = facts;
  // By the uptime, which no step of the clock changes, and whoever has booted it: a Node that is registered anew at each boot
  // remembers none of its reboots.
  if (uptimeMs >= settings.minIntervalMs || isUrgent(need)) return undefined;
  const text = `the host has booted, and two boots are ${durationInWords(settings.minIntervalMs)} apart at least`;
  return {
    reason: { code: 'too-soon', text, gates: ['min-interval'] },
    untilMs: nowMs + settings.minIntervalMs - uptimeMs,
  };
}
