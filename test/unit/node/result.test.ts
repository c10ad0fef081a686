import { describe, expect, it } from 'vitest';
import type { ImageRecord } from '../../../agent/images/inventory.ts';
import type { Report } from '../../../agent/images/report.ts';
import { boundedNote, lastCleanOf, runNote } from '../../../agent/node/result.ts';

const image = (name: string): ImageRecord => ({
  id: `sha256:${name}`,
  tags: [name],
  digests: [],
  sizeBytes: 1024 ** 2,
  pinned: false,
  users: [],
  firstSeenMs: 0,
  lastUsedMs: undefined,
  preloaded: false,
  namelessSinceMs: undefined,
  failure: undefined,
});
const removal = (name: string) => ({ image: image(name), verdict: 'remove', code: 'unused', reason: 'r' }) as const;
const keeping = (name: string) => ({ image: image(name), verdict: 'keep', code: 'in-use', reason: 'r' }) as const;
const removed = (name: string) =>
  ({ id: name, name, sizeBytes: 1024 ** 2, code: 'unused', reason: 'unused for 8 days', cameBack: false }) as const;

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `registry.example/${name}:1`);
const report: Report = {
  trigger: 'schedule',
  dryRun: false,
  startedAtMs: Date.UTC(2026, 10, 23, 10),
  durationMs: 12_345,
  outcome: 'done',
  error: undefined,
  plan: { plannedAtMs: 0, keep: [keeping('x'), keeping('y')], remove: names.map(removal) },
  removed: names.map(removed),
  skipped: [],
  failed: [],
  estimatedFreedBytes: 7 * 1024 ** 2,
  measuredFreedBytes: 20 * 1024 ** 2,
};

describe('the record of a run', () => {
  it('counts what went, what stayed and why, and names the request that is done', () => {
    expect(lastCleanOf(report, 'r-1')).toEqual({
      request: 'r-1',
      trigger: 'schedule',
      dryRun: false,
      startedAt: '2026-11-23T10:00:00.000Z',
      durationSeconds: 12.345,
      outcome: 'done',
      error: null,
      removed: 7,
      failed: 0,
      skipped: 0,
      kept: { 'in-use': 2 },
      estimatedFreedBytes: 7 * 1024 ** 2,
      measuredFreedBytes: 20 * 1024 ** 2,
      images: names,
    });
    expect(lastCleanOf(report, undefined).request).toBeNull();
  });

  it('says of a dry run what would go', () => {
    const dry = lastCleanOf({ ...report, dryRun: true, removed: [], estimatedFreedBytes: 0 }, undefined);
    expect(dry).toMatchObject({ dryRun: true, removed: 7, images: names, estimatedFreedBytes: 7 * 1024 ** 2 });
  });
});

describe('the Event of a run', () => {
  it('has counts, bytes and the first names', () => {
    expect(runNote(report)).toEqual({
      type: 'Normal',
      reason: 'ImagesCleaned',
      note: `Removed 7 images, 20 MiB freed, in 12 seconds (schedule); 2 kept. ${names.slice(0, 5).join(', ')} and 2 more`,
    });
  });

  it('says what is estimated where others filled the disk meanwhile', () => {
    expect(runNote({ ...report, measuredFreedBytes: -1 }).note).toContain('about 7 MiB');
    expect(runNote({ ...report, measuredFreedBytes: undefined }).note).toContain('about 7 MiB');
  });

  it('is a Warning where something failed', () => {
    const failed = [{ id: 'z', name: 'z', message: 'no' }];
    expect(runNote({ ...report, failed })).toMatchObject({ type: 'Warning', reason: 'ImagesCleaned' });
    expect(runNote({ ...report, failed }).note).toContain('1 failed, 2 kept');
    const run = runNote({ ...report, outcome: 'failed', error: 'the runtime is away', removed: [] });
    expect(run).toMatchObject({ type: 'Warning', reason: 'ImageCleaningFailed' });
    expect(run.note).toContain('the runtime is away');
  });

  it('tells a dry run and a stopped run apart', () => {
    expect(runNote({ ...report, dryRun: true, removed: [] })).toMatchObject({ reason: 'ImagesCleanedDryRun' });
    expect(runNote({ ...report, dryRun: true, removed: [] }).note).toContain('would remove 7 images, 7 MiB');
    expect(runNote({ ...report, outcome: 'stopped' }).reason).toBe('ImageCleaningStopped');
  });

  it('has a note that the API server takes, whatever is in it', () => {
    const error = 'ß€𝄞'.repeat(1_000);
    const { note } = runNote({ ...report, outcome: 'failed', error });
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(note).not.toContain('\uFFFD');
    expect(boundedNote('short')).toBe('short');
  });
});
