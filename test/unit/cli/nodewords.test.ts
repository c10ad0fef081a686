import { describe, expect, it } from 'vitest';
import { progressInWords, progressToJson } from '../../../agent/cli/nodewords.ts';
import type { LastClean } from '../../../agent/cluster/records.ts';
import { cleaned } from './nodeexamples.ts';

function done(result: Partial<LastClean>): string {
  return progressInWords({ state: 'done', result: { ...cleaned, ...result } });
}

describe('the result of a node in words', () => {
  it('has what was removed, how long it took, and what the disk says', () => {
    expect(done({})).toBe('cleaned: 12 images removed in 4.3 s, free space changed by +2 GiB');
    expect(done({ measuredFreedBytes: -1024 })).toMatch(/free space changed by -1 KiB$/);
    expect(done({ measuredFreedBytes: null })).toMatch(/, 3 GiB by listed size$/);
  });

  it('names what was left and what failed', () => {
    expect(done({ skipped: 2, failed: 1, removed: 0 })).toBe('cleaned: 0 images removed, 2 left, 1 failed in 4.3 s');
  });

  it('says of a dry run what would go', () => {
    expect(done({ dryRun: true, removed: 1 })).toBe('would remove 1 image, 3 GiB by listed size');
  });

  it('says why a run failed, and that one was stopped', () => {
    expect(done({ outcome: 'failed', error: 'no socket' })).toBe('failed: no socket');
    expect(done({ outcome: 'stopped' })).toMatch(/^stopped: 12 images removed/);
  });

  it('does not pass a later run’s result off as its own', () => {
    expect(progressInWords({ state: 'done', result: undefined })).toBe('cleaned; a later run has left its own result');
  });
});

describe('a request as JSON', () => {
  it('has its result, or why there is none', () => {
    expect(progressToJson({ state: 'done', result: cleaned })).toEqual({ state: 'done', why: null, result: cleaned });
    expect(progressToJson({ state: 'waiting', why: 'held' })).toEqual({ state: 'waiting', why: 'held', result: null });
    expect(progressToJson({ state: 'requested' })).toEqual({ state: 'requested', why: null, result: null });
  });
});
