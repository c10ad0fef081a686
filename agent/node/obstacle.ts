import { durationInWords } from '../images/wording.ts';
import type { Drain } from './drain.ts';

/** Why no cleaning may start now, in the order in which it is asked. */
export type ObstacleCode =
  | 'held'
  | 'paused'
  | 'no-node'
  | 'not-read'
  /** `cluster.nodeFilter` leaves the node out. */
  | 'filtered'
  | 'unreachable'
  | 'draining'
  | 'settling'
  /** The lists of images to keep are not read yet, or no good content of one is known. */
  | 'exclusions-unknown';

export interface Obstacle {
  readonly code: ObstacleCode;
  /** One sentence for a person, without a final full stop. */
  readonly reason: string;
}

/** What is known of the cluster's wishes for this node. */
export interface NodeFacts {
  readonly nodeName: string;
  /** Value of `nodetender.dev/hold`. */
  readonly hold: string | undefined;
  /** Value of `nodetender.dev/pause` on the control ConfigMap. */
  readonly pause: string | undefined;
  /** Undefined until the API server has said whether there is such a Node. */
  readonly nodeExists: boolean | undefined;
  /** What of the cluster has not been read once yet, in words; empty when all has been. */
  readonly unread: readonly string[];
  /** Why `cluster.nodeFilter` leaves this node out, in words; undefined where it does not, or nothing is known of the node. */
  readonly leftOut: string | undefined;
  /** For how long something may have changed without our knowing. */
  readonly unheardMs: number;
  readonly unreachableLimitMs: number;
  readonly drain: Drain;
  readonly nowMs: number;
  readonly settleMs: number;
}

/** The first obstacle to a cleaning, undefined when one may start. Not knowing is an obstacle: it means keeping. */
export function obstacleTo(facts: NodeFacts): Obstacle | undefined {
  const { nodeName, hold, pause, nodeExists, unread, leftOut, unheardMs, unreachableLimitMs } = facts;
  const { drain, nowMs, settleMs } = facts;
  if (hold !== undefined) return { code: 'held', reason: `node ${nodeName} is held${because(hold)}` };
  if (pause !== undefined) return { code: 'paused', reason: `cleaning is paused on all nodes${because(pause)}` };
  if (nodeExists === false) return { code: 'no-node', reason: `there is no Node named ${nodeName}` };
  if (unread.length > 0) {
    return { code: 'not-read', reason: `not read from the API server yet: ${unread.join(', ')}` };
  }
  if (leftOut !== undefined) {
    return { code: 'filtered', reason: `cluster.nodeFilter leaves node ${nodeName} out: ${leftOut}` };
  }
  if (unheardMs > unreachableLimitMs) {
    const limit = `cluster.unreachableLimit is ${durationInWords(unreachableLimitMs)}`;
    return { code: 'unreachable', reason: `the API server was last heard ${durationInWords(unheardMs)} ago; ${limit}` };
  }
  if (drain.phase === 'draining') {
    const pods = drain.seen ? 'and its pods leave or have left' : 'and its pods may have left before the agent looked';
    return { code: 'draining', reason: `node ${nodeName} is cordoned ${pods}` };
  }
  if (drain.phase === 'settling')
    return { code: 'settling', reason: settlingReason(drain.calmSinceMs, nowMs, settleMs) };
  return undefined;
}

/** Lists that may have changed without our knowing for longer than `limitMs`; `unheard` names their namespaces, in words. */
export function exclusionsUnheard(unheard: readonly string[], limitMs: number): Obstacle | undefined {
  if (unheard.length === 0) return undefined;
  const limit = `longer than cluster.unreachableLimit, which is ${durationInWords(limitMs)}`;
  return { code: 'unreachable', reason: `exclusion lists not followed for ${limit}: ${unheard.join(', ')}` };
}

function settlingReason(calmSinceMs: number | undefined, nowMs: number, settleMs: number): string {
  const settle = `until it has been schedulable and Ready for ${durationInWords(settleMs)}`;
  if (calmSinceMs === undefined) return `the node was drained or is new and is not Ready; nothing is removed ${settle}`;
  // Minutes, so that the reason does not change with every look.
  const minutesLeft = Math.max(1, Math.ceil((calmSinceMs + settleMs - nowMs) / 60_000));
  return `the node was drained or is new; nothing is removed ${settle}, which takes ${durationInWords(minutesLeft * 60_000)} more`;
}

/** The most of a stranger's text that goes into a message. */
const maxReasonLength = 200;

function because(reason: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is to be kept out of logs and terminals
  const plain = reason.replaceAll(/[\u0000-\u001F\u007F-\u009F]+/g, ' ').trim();
  if (plain === '') return '';
  return `: ${plain.length > maxReasonLength ? `${plain.slice(0, maxReasonLength)}…` : plain}`;
}
