import { type CleanProgress, isSettled, progressOf } from './cleanprogress.ts';
import type { Host } from './host.ts';
import { type NodeRequestOptions, requestOfNodes } from './noderequest.ts';
import { progressInWords, progressToJson } from './nodewords.ts';
import type { Selection } from './selection.ts';

export interface CleanNodesOptions extends NodeRequestOptions {
  readonly dryRun?: boolean;
}

/** The longest cleaning of a full node takes minutes; one that waits for a drain may take longer than anybody watches. */
const DEFAULT_TIMEOUT_MS = 30 * 60_000;

/** `nodetender clean --node …`: asks the agents of nodes for a cleaning by their own policy, and may follow it. */
export async function cleanNodesCommand(selection: Selection, options: CleanNodesOptions, host: Host): Promise<number> {
  const request = {
    annotation: 'clean',
    what: 'cleaning',
    prefix: options.dryRun === true ? 'dry-run-' : '',
    defaultTimeoutMs: DEFAULT_TIMEOUT_MS,
    progressOf,
    untouched: { state: 'requested' },
    isSettled,
    hasSucceeded,
    isNews: ({ state }: CleanProgress) => state === 'waiting',
    inWords: progressInWords,
    rest: (count: (state: CleanProgress['state']) => number) =>
      `${count('cleaning')} cleaning, ${count('waiting')} waiting`,
    toJson: progressToJson,
  } as const;
  return await requestOfNodes<CleanProgress>(request, selection, options, host);
}

function hasSucceeded(progress: CleanProgress): boolean {
  if (progress.state !== 'done') return false;
  if (progress.result === undefined) return true;
  const { outcome, failed } = progress.result;
  return (outcome === 'done' || outcome === 'enough') && failed === 0;
}
