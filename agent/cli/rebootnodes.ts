import { NodetenderError } from '../errors.ts';
import type { Host } from './host.ts';
import { type NodeRequestOptions, requestOfNodes } from './noderequest.ts';
import { isSettled, progressInWords, progressOf, progressToJson, type RebootProgress } from './rebootprogress.ts';
import type { Selection } from './selection.ts';

export interface RebootNodesOptions extends NodeRequestOptions {
  readonly now?: boolean;
  readonly reason?: string;
}

/** A few nodes after one another, each with a drain and a boot; whoever asks for more says for how long to wait. */
const DEFAULT_TIMEOUT_MS = 60 * 60_000;

/** The record has room for 253 characters, of which the time and `now-` take some. */
const MAX_REASON_LENGTH = 200;

/** `nodetender reboot`: asks the agents of nodes for one reboot each, and may follow it. */
export async function rebootNodesCommand(
  selection: Selection,
  options: RebootNodesOptions,
  host: Host,
): Promise<number> {
  const { reason, now } = options;
  if (reason !== undefined && reason.length > MAX_REASON_LENGTH) {
    throw new NodetenderError('usage', `--reason has ${reason.length} characters; at most ${MAX_REASON_LENGTH} fit`);
  }
  const request = {
    annotation: 'reboot',
    what: 'rebooting',
    prefix: now === true ? 'now-' : '',
    reason,
    defaultTimeoutMs: DEFAULT_TIMEOUT_MS,
    progressOf,
    untouched: { state: 'requested' },
    isSettled,
    hasSucceeded: ({ state }: RebootProgress) => state === 'done',
    isNews: ({ state }: RebootProgress) => state === 'waiting' || state === 'rebooting',
    inWords: progressInWords,
    rest: (count: (state: RebootProgress['state']) => number) =>
      `${count('rebooting')} rebooting, ${count('waiting') + count('requested')} waiting`,
    toJson: progressToJson,
  } as const;
  return await requestOfNodes<RebootProgress>(request, selection, options, host);
}
