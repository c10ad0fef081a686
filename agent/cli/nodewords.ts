import { bytesInWords, plural } from '../images/wording.ts';
import type { LastClean } from '../cluster/records.ts';
import type { CleanProgress } from './cleanprogress.ts';

/** What follows the name of a node. */
export function progressInWords(progress: CleanProgress): string {
  switch (progress.state) {
    case 'requested':
      return 'has not taken up the request';
    case 'waiting':
      return `waits: ${progress.why}`;
    case 'cleaning':
      return 'is cleaning';
    case 'lost':
      return `will not clean: ${progress.why}`;
    case 'done':
      return progress.result === undefined
        ? 'cleaned; a later run has left its own result'
        : resultInWords(progress.result);
  }
}

function resultInWords({ dryRun, outcome, error, removed, skipped, failed, ...rest }: LastClean): string {
  if (outcome === 'failed') return `failed: ${error ?? 'the log of its agent says why'}`;
  const { estimatedFreedBytes, measuredFreedBytes, durationSeconds } = rest;
  if (dryRun) {
    return `would remove ${plural(removed, 'image')}, ${bytesInWords(estimatedFreedBytes)} by listed size`;
  }
  const freed =
    measuredFreedBytes === null
      ? `${bytesInWords(estimatedFreedBytes)} by listed size`
      : `free space changed by ${measuredFreedBytes < 0 ? '-' : '+'}${bytesInWords(Math.abs(measuredFreedBytes))}`;
  const counts = [
    `${outcome === 'stopped' ? 'stopped' : 'cleaned'}: ${plural(removed, 'image')} removed`,
    skipped > 0 ? `${skipped} left` : '',
    failed > 0 ? `${failed} failed` : '',
  ].filter(Boolean);
  return `${counts.join(', ')} in ${durationSeconds.toFixed(1)} s${removed > 0 ? `, ${freed}` : ''}`;
}

/** How far a request is on one node, for programs. */
export function progressToJson(progress: CleanProgress): object {
  return {
    state: progress.state,
    why: 'why' in progress ? progress.why : null,
    result: 'result' in progress ? (progress.result ?? null) : null,
  };
}
